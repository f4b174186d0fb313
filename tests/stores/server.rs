// A server of `tests/stores/build` for tests: in a folder of its own, on a free port, gone with the process that started
// it, however that ends. Included where it is needed: by the tests of `state/` and by the harness.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to listen; no test depends on its value.
const PATIENCE: Duration = Duration::from_secs(60);

/// Programs below what `tests/stores/build` installed.
pub const VERSITYGW: &str = "versitygw";
pub const MOTO: &str = "moto/bin/python";
pub const AZURITE: &str = "azurite/node_modules/azurite/dist/src/blob/main.js";
pub const GCS: &str = "gcs";

/// The bucket or container that each of them has.
pub const BUCKET: &str = "states";

/// The account and key that Azurite has (<https://github.com/Azure/Azurite#default-storage-account>), and a signature under
/// that key which allows whoever has it to make a container.
pub const ACCOUNT: &str = "devstoreaccount1";
const ACCOUNT_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const ACCOUNT_SAS: &str = "sv=2021-12-02&ss=b&srt=c&sp=c&se=2099-01-01T00%3A00%3A00Z&spr=https%2Chttp\
    &sig=QWu0oVZ4%2BeILzOdtR9BJH1q34pfH2C5R%2BIcquMC0Xxo%3D";

/// A server that ends with this process, however that ends.
pub struct Server {
    /// Where it listens.
    pub endpoint: String,
    folder: tempfile::TempDir,
    _supervisor: Child,
}

/// The program of this name below what `tests/stores/build` installed; `None` where it is not there, which is said.
pub fn installed(name: &str) -> Option<PathBuf> {
    let stores = std::env::var_os("KOMPOX_STORES").filter(|value| !value.is_empty());
    let program = stores.map(|stores| PathBuf::from(stores).join(name)).filter(|path| path.exists());
    if program.is_none() {
        tell(&format!("skipped: no state is kept by {name}: set KOMPOX_STORES=$(tests/stores/build)"));
    }
    program
}

/// Says something past the test harness, which hides what passing tests print; `.ci/run` collects these lines.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "\n{line}");
}

impl Server {
    /// Starts what `command` gives for a folder and a port, and waits until it listens.
    pub fn start(command: impl FnOnce(&Path, u16) -> Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = command(folder.path(), port);
        // Its input ends with this process, and it with its input. Environment and working folder are its own.
        let mut supervisor = Command::new("sh");
        supervisor.args(["-c", "\"$@\" </dev/null & cat >/dev/null; kill $!", "sh"]);
        supervisor.arg(server.get_program()).args(server.get_args());
        for (name, value) in server.get_envs() {
            supervisor.env(name, value.unwrap());
        }
        supervisor.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let supervisor = supervisor.current_dir(folder.path()).spawn().unwrap();
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "{:?} does not listen", server.get_program());
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { endpoint: format!("http://127.0.0.1:{port}"), folder, _supervisor: supervisor }
    }

    /// Where it keeps what it is given.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// versitygw, which serves a folder as S3.
    pub fn versitygw(program: &Path) -> Self {
        Self::start(|folder, port| {
            let mut command = Command::new(program);
            command.args(["--access", "kompox", "--secret", "kompox-secret", "--port", &format!("127.0.0.1:{port}")]);
            command.arg("posix").arg("--sidecar").arg(folder.join("meta")).arg(folder.join("data"));
            std::fs::create_dir(folder.join("meta")).unwrap();
            std::fs::create_dir_all(folder.join("data").join(BUCKET)).unwrap();
            command
        })
    }

    /// moto, the S3 that tests of boto use; `program` is its Python.
    pub fn moto(program: &Path) -> Self {
        let server = Self::start(|_, port| {
            let mut command = Command::new(program);
            command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
            command
        });
        server.put(&format!("/{BUCKET}"));
        server
    }

    /// Azurite, the emulator of Azure Blob Storage; `program` is its script.
    pub fn azurite(program: &Path) -> Self {
        let server = Self::start(|folder, port| {
            let mut command = Command::new("node");
            command.arg(program).args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string(), "--silent"]);
            command.args(["--disableTelemetry", "--skipApiVersionCheck", "--location"]).arg(folder);
            command
        });
        server.put(&format!("/{ACCOUNT}/{BUCKET}?restype=container&{ACCOUNT_SAS}"));
        server
    }

    /// fake-gcs-server behind `tests/stores/gcs`, which serves a folder as Google Cloud Storage.
    pub fn gcs(program: &Path) -> Self {
        Self::start(|folder, port| {
            let mut command = Command::new(program);
            command.arg(folder.join("data")).arg(format!("127.0.0.1:{port}"));
            std::fs::create_dir_all(folder.join("data").join(BUCKET)).unwrap();
            command
        })
    }

    /// Makes a bucket or container.
    fn put(&self, path: &str) {
        let address = self.endpoint.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "PUT {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    }
}

/// What whoever uses an S3 that was started here has in the environment.
pub fn aws(endpoint: &str) -> [(&'static str, String); 5] {
    [
        ("AWS_ENDPOINT_URL", endpoint.to_owned()),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "kompox".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "kompox-secret".to_owned()),
    ]
}

/// The same for Azurite.
pub fn azure(endpoint: &str) -> [(&'static str, String); 3] {
    [
        ("AZURE_STORAGE_ENDPOINT", format!("{endpoint}/{ACCOUNT}")),
        ("AZURE_STORAGE_ACCOUNT_KEY", ACCOUNT_KEY.to_owned()),
        ("AZURE_ALLOW_HTTP", "true".to_owned()),
    ]
}

/// The same for the Google Cloud Storage of `tests/stores/gcs`, which asks nobody who they are.
pub fn google(endpoint: &str) -> [(&'static str, String); 1] {
    let key = format!(
        r#"{{"client_email": "tests", "private_key": "", "private_key_id": "", "disable_oauth": true, "gcs_base_url": "{endpoint}"}}"#
    );
    [("GOOGLE_SERVICE_ACCOUNT_KEY", key)]
}

/// A PostgreSQL, and pgbouncer in transaction mode in front of it where that is installed. They end with this process.
pub struct Postgres {
    /// Where the server listens.
    pub port: u16,
    /// Where pgbouncer listens.
    pub pooled: Option<u16>,
    folder: tempfile::TempDir,
    _supervisor: Child,
}

impl Postgres {
    /// Starts them; `None` where there is no PostgreSQL, which is said.
    pub fn start() -> Option<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let script = here.ancestors().map(|folder| folder.join("tests/stores/postgres")).find(|path| path.exists());
        let folder = tempfile::tempdir().unwrap();
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [port, pooled] = listeners.map(|listener| listener.local_addr().unwrap().port());
        let pgbouncer = installed("pgbouncer/usr/sbin/pgbouncer");
        let mut command = Command::new(script.unwrap());
        command.arg(folder.path()).arg(port.to_string());
        if let Some(pgbouncer) = &pgbouncer {
            command.arg(pgbouncer.ancestors().nth(3).unwrap()).arg(pooled.to_string());
        }
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut supervisor = command.spawn().unwrap();
        let begun = Instant::now();
        while !folder.path().join("ready").exists() {
            if let Some(status) = supervisor.try_wait().unwrap() {
                assert_eq!(status.code(), Some(3), "PostgreSQL does not start");
                tell("skipped: no state is kept by PostgreSQL: it is not installed");
                return None;
            }
            assert!(begun.elapsed() < PATIENCE, "PostgreSQL does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(Self { port, pooled: pgbouncer.map(|_| pooled), folder, _supervisor: supervisor })
    }

    /// Where it keeps what it is given, and what it logs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The certificate of the authority that signed the server's; `None` where there was no openssl.
    pub fn authority(&self) -> Option<PathBuf> {
        let path = self.folder.path().join("authority.crt");
        path.exists().then_some(path)
    }

    /// What whoever uses the server on this port has in the environment.
    pub fn at(port: u16) -> Vec<(&'static str, String)> {
        let pairs =
            [("PGHOST", "localhost"), ("PGUSER", "kompox"), ("PGPASSWORD", "kompox-secret"), ("PGDATABASE", "kompox")];
        let pairs = pairs.into_iter().map(|(name, value)| (name, value.to_owned()));
        pairs.chain([("PGPORT", port.to_string())]).collect()
    }
}
