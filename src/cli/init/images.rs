//! What is known of common images by their names: which serve no HTTP, and on which port they listen unless told.

use crate::compose::fill::short_name;

/// A family of images.
struct Family {
    /// What its names contain.
    names: &'static [&'static str],
    /// The ports that it listens on unless told otherwise; the first is the one that clients use.
    ports: &'static [u16],
    /// Whether people reach it with a browser.
    http: bool,
}

const FAMILIES: &[Family] = &[
    Family { names: &["postgres", "postgis", "pgvector", "pgvecto-rs", "timescaledb"], ports: &[5432], http: false },
    Family { names: &["mysql", "mariadb", "percona"], ports: &[3306], http: false },
    Family { names: &["redis", "valkey", "keydb", "dragonfly"], ports: &[6379], http: false },
    Family { names: &["mongo"], ports: &[27017], http: false },
    Family { names: &["memcached"], ports: &[11211], http: false },
    Family { names: &["rabbitmq"], ports: &[5672], http: false },
    Family { names: &["kafka"], ports: &[9092], http: false },
    Family { names: &["zookeeper"], ports: &[2181], http: false },
    Family { names: &["elasticsearch", "opensearch"], ports: &[9200, 9300], http: false },
    Family { names: &["clickhouse"], ports: &[8123, 9000], http: false },
    Family { names: &["cassandra", "scylla"], ports: &[9042], http: false },
    Family { names: &["mosquitto"], ports: &[1883], http: false },
    Family { names: &["influxdb"], ports: &[8086], http: false },
    Family { names: &["meilisearch"], ports: &[7700], http: false },
    Family { names: &["nginx", "httpd", "caddy", "traefik", "apache", "haproxy"], ports: &[80], http: true },
    Family { names: &["phpmyadmin", "wordpress", "nextcloud", "joomla", "drupal"], ports: &[80], http: true },
    Family { names: &["adminer"], ports: &[8080], http: true },
];

/// Where PHP listens for the web server beside it.
const FAST_CGI: &[u16] = &[9000];

/// Container ports on which nothing speaks HTTP.
const NO_HTTP: [u16; 52] = [
    21, 22, 23, 25, 53, 110, 111, 119, 123, 137, 139, 143, 161, 389, 445, 465, 514, 587, 636, 853, 873, 993, 995, 1025,
    1194, 1433, 1521, 1883, 2049, 2181, 2222, 2525, 3306, 3307, 3310, 3478, 4222, 5349, 5432, 5433, 5671, 5672, 6379,
    6432, 6543, 7687, 8883, 9042, 9092, 11211, 25565, 27017,
];

fn family(image: &str) -> Option<&'static Family> {
    let name = short_name(image);
    // `redis-commander`, `postgres-exporter` and `postgres-meta` are no databases.
    let helper = [
        "exporter",
        "commander",
        "admin",
        "express",
        "ui",
        "gui",
        "web",
        "backup",
        "operator",
        "meta",
        "proxy",
        "client",
        "dashboard",
        "dashboards",
        "connect",
        "rest",
        "insight",
        "console",
        "manager",
    ];
    let words: Vec<&str> = name.split(['-', '_', '.']).collect();
    let exact = |family: &&Family| family.names.iter().any(|known| name == *known);
    let part = |family: &&Family| {
        let means =
            |known: &&str| known.contains('-') && name.starts_with(known) || words.iter().any(|w| is_of(w, known));
        family.names.iter().any(means) && !words.iter().any(|word| helper.contains(word))
    };
    FAMILIES.iter().find(exact).or_else(|| FAMILIES.iter().find(part))
}

/// Whether a word of an image's name is that of a family, perhaps with a version: `postgres17`, but not `postgrest`.
fn is_of(word: &str, known: &str) -> bool {
    let Some(rest) = word.strip_prefix(known) else { return false };
    rest.chars().all(|c| c.is_ascii_digit()) || ["ql", "db"].contains(&rest)
}

/// Whether an image is one that nobody opens in a browser: a database, a cache, a queue.
pub fn is_backend(image: &str) -> bool {
    family(image).is_some_and(|family| !family.http)
}

/// The ports that an image listens on unless told otherwise, where they are known; the first is the one that clients use.
pub fn default_ports(image: &str) -> &'static [u16] {
    // PHP images come with a web server, or with FastCGI for one beside them.
    let tag = image.rsplit('/').next().and_then(|name| name.split_once(':')).map_or("", |(_, tag)| tag);
    if tag.split(['-', '.']).any(|word| word == "fpm") {
        return FAST_CGI;
    }
    family(image).map_or(&[], |family| family.ports)
}

/// Whether an image speaks FastCGI, which is no HTTP.
pub fn is_fast_cgi(image: &str) -> bool {
    default_ports(image) == FAST_CGI
}

/// Whether an image is one whose work is with Docker: proxies that ask it where to lead, what updates, restarts, shows or
/// runs containers.
pub fn is_for_docker(image: &str) -> bool {
    const NAMES: [&str; 16] = [
        "traefik",
        "nginx-proxy",
        "docker-gen",
        "acme-companion",
        "letsencrypt-nginx-proxy-companion",
        "docker-socket-proxy",
        "socket-proxy",
        "watchtower",
        "ouroboros",
        "diun",
        "portainer",
        "dozzle",
        "autoheal",
        "ofelia",
        "cadvisor",
        "dockge",
    ];
    let name = short_name(image);
    NAMES.iter().any(|known| name == *known || name.strip_prefix(known).is_some_and(|rest| rest.starts_with('-')))
}

/// Whether a container port may speak HTTP, by its number.
pub fn may_be_http(port: u16) -> bool {
    !NO_HTTP.contains(&port)
}

/// Whether HTTP on a container port is encrypted, by its number.
pub fn is_https(port: u16) -> bool {
    matches!(port, 443 | 8443 | 9443)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_known_by_their_names() {
        for image in [
            "postgres:17",
            "docker.io/library/mariadb",
            "ghcr.io/immich-app/postgres:14-vectorchord",
            "valkey/valkey:8",
            "bitnami/postgresql",
            "mongodb/mongodb-community-server",
            "someone/postgres17",
            "tensorchord/pgvecto-rs:pg14@sha256:abc",
            "clickhouse/clickhouse-server:24",
        ] {
            assert!(is_backend(image), "{image}");
        }
        for image in [
            "nginx",
            "gitea/gitea:1.24",
            "registry:5000/app/web",
            "mongo-express",
            "opensearchproject/opensearch-dashboards:2",
            "confluentinc/cp-kafka-connect",
            "postgrest/postgrest:v14.5",
            "supabase/postgres-meta:v0.95.2",
            "rediscommander/redis-commander",
            "",
        ] {
            assert!(!is_backend(image), "{image}");
        }
        assert_eq!(default_ports("postgres:17"), [5432]);
        assert_eq!(default_ports("phpmyadmin/phpmyadmin"), [80]);
        assert_eq!(default_ports("ghost:5"), [0_u16; 0]);
        assert!(is_fast_cgi("nextcloud:31-fpm-alpine") && !is_fast_cgi("nextcloud:31"));
        assert!(is_for_docker("portainer/portainer-ce:latest") && !is_for_docker("goauthentik/server"));
        assert!(NO_HTTP.is_sorted() && may_be_http(3000) && !may_be_http(5432));
    }
}
