// Makes the replica set and the users, once; harmless afterwards. Runs on the server's loopback: while there is no user,
// MongoDB lets it do just this.
const secret = (name) => fs.readFileSync(`/run/secrets/${name}`, "utf8").trim();
const admin = db.getSiblingDB("admin");

function known() {
  try {
    return admin.auth("admin", secret("mongo_admin_password")).ok === 1;
  } catch (error) {
    return false;
  }
}

function writable() {
  return db.hello().isWritablePrimary;
}

if (!known()) {
  if (!db.hello().setName) {
    rs.initiate({ _id: "rs0", members: [{ _id: 0, host: "mongodb:27017" }] });
  }
  while (!writable()) sleep(100);
  if (!known()) {
    admin.createUser({ user: "admin", pwd: secret("mongo_admin_password"), roles: ["root"] });
    if (!known()) throw new Error("the administrator cannot log in");
  }
}
while (!writable()) sleep(100);
const roles = [
  { role: "readWrite", db: "leadmail" },
  { role: "readWrite", db: "crm" },
];
if (admin.getUser("leadmail")) {
  admin.updateUser("leadmail", { pwd: secret("mongo_password"), roles });
} else {
  admin.createUser({ user: "leadmail", pwd: secret("mongo_password"), roles });
}
print("the replica set and the users are there");
