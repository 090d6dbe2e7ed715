"""The image, Compose and Kubernetes: their files, and what they start."""
