//! Where images keep files: `docker compose` fills a new named volume with what the image holds where it is first mounted
//! (Docker documentation, "Volumes", "Populate a volume using a container"); in a Pod it starts empty and hides them.

/// Where images keep what they bring along.
const OF_IMAGES: [&str; 20] = [
    "/usr",
    "/opt",
    "/etc",
    "/srv",
    "/var/www",
    "/var/html",
    "/app",
    "/application",
    "/code",
    "/src",
    "/home",
    "/www",
    "/html",
    "/site",
    "/public",
    "/workspace",
    "/bitnami",
    "/lib",
    "/var/lib/tomcat",
    "/themes",
];
/// Last parts of paths that images fill wherever they are.
const FILLED: [&str; 21] = [
    "html",
    "htdocs",
    "www",
    "webapps",
    "public",
    "static",
    "assets",
    "themes",
    "theme",
    "plugins",
    "modules",
    "sites",
    "extensions",
    "templates",
    "conf",
    "conf.d",
    "dist",
    "locale",
    "content",
    "web",
    "wwwroot",
];
/// Last parts of paths below those of images that are empty in them as a rule.
const EMPTY: [&str; 20] = [
    "data",
    "db",
    "database",
    "log",
    "logs",
    "cache",
    ".cache",
    "tmp",
    "temp",
    "backup",
    "backups",
    "upload",
    "uploads",
    "letsencrypt",
    "acme",
    "repositories",
    "sessions",
    "attachments",
    "spool",
    "run",
];

/// Whether an image may hold files at a path, as far as names tell.
pub fn may_hold_files(target: &str) -> bool {
    let target = target.trim_end_matches('/').to_ascii_lowercase();
    let last = target.rsplit('/').next().unwrap_or("");
    let below =
        |folder: &&str| target.strip_prefix(*folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let in_image = OF_IMAGES.iter().any(below);
    FILLED.contains(&last) || (in_image && !EMPTY.contains(&last))
}

/// Images whose entrypoint fills an empty volume with the program that they bring along.
const FILL_THEMSELVES: [&str; 12] = [
    "backdrop",
    "drupal-fpm",
    "friendica",
    "ghost",
    "joomla",
    "matomo",
    "monica",
    "nextcloud",
    "piwik",
    "postfixadmin",
    "wordpress",
    "yourls",
];

/// An image's name without registry, owner, tag and digest.
pub fn short_name(image: &str) -> String {
    let name = image.split('@').next().unwrap_or(image).rsplit('/').next().unwrap_or(image);
    name.split(':').next().unwrap_or(name).to_ascii_lowercase()
}

/// Whether an image puts its files into an empty volume when it starts, as `docker compose` would before.
pub fn fills_itself(image: &str) -> bool {
    FILL_THEMSELVES.contains(&short_name(image).as_str())
}
