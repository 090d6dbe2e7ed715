"""What surrounds the services: real servers for the demo, the tests and the benchmark, and the deployment files."""
