//! A project with secrets wherever a project can have them.

use crate::harness::project::Project;

/// Where a value is, and what it is.
pub type Values = [(&'static str, &'static str); 7];

/// The files that hold them.
pub const INPUTS: [&str; 7] =
    ["compose.yml", ".env", "web.env", "web.env.yml", "web.env.json", "key.pem", "kompoxops.yml"];

/// The value at a place.
pub fn at(values: &Values, place: &str) -> &'static str {
    values.iter().find(|(name, _)| *name == place).map(|(_, value)| *value).unwrap()
}

/// The compose file.
pub fn compose(values: &Values) -> String {
    "\
services:
  web:
    image: web:1
    ports: [\"8080:80\"]
    command: [\"serve\", \"--auth=${PART}\"]
    environment:
      DB_PASSWORD: '@LITERAL'
      DSN: \"pg://u:${PART}@db/x\"
    env_file: [web.env, web.env.yml, web.env.json]
    healthcheck: {test: [\"CMD\", \"probe\", \"--auth=${PART}\"], start_period: 5s}
    secrets: [key, environment]
    configs: [ini]
    volumes: [\"./data:/data\", \"./one.ini:/etc/one.ini:ro\"]
    depends_on: [db]
  db:
    image: db:1
    environment: ['ROOT_PASSWORD=@LITERAL']
    volumes: [\"db:/var/lib/db\"]
volumes: {db: {}}
secrets: {key: {file: ./key.pem}, environment: {environment: PART}}
configs: {ini: {content: 'password=${PART} @CONFIG${PART}'}}
"
    .replace("@LITERAL", at(values, "literal"))
    .replace("@CONFIG", at(values, "config"))
}

/// The project, without manifests yet. Values have no `'`.
pub fn project(values: &Values) -> Project {
    let project = Project::empty("canary");
    project.write("compose.yml", &compose(values));
    project.write(".env", &format!("PART='{}'\n", at(values, "dotenv")));
    project.write("web.env", &format!("A='{}'\n", at(values, "env file")));
    project.write("web.env.yml", &format!("B: '{}'\n", at(values, "yaml env file")));
    project.write("web.env.json", &format!("{{\"C\": {}}}\n", serde_json::json!(at(values, "json env file"))));
    project.write("key.pem", at(values, "secret file"));
    project.write("one.ini", "a=b\n");
    project
}
