// A server of `tests/stores/build` for tests: in a folder of its own, on a free port, gone with the process that started
// it, however that ends. Included where it is needed: by the tests of `state/` and by the harness.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to listen; no test depends on its value.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that ends with this process, however that ends.
pub struct Server {
    /// Where it listens.
    pub endpoint: String,
    _folder: tempfile::TempDir,
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
        Self { endpoint: format!("http://127.0.0.1:{port}"), _folder: folder, _supervisor: supervisor }
    }

    /// versitygw, which serves a folder as S3, with this bucket.
    pub fn versitygw(program: &Path, bucket: &str) -> Self {
        Self::start(|folder, port| {
            let mut command = Command::new(program);
            command.args(["--access", "kompox", "--secret", "kompox-secret", "--port", &format!("127.0.0.1:{port}")]);
            command.arg("posix").arg("--sidecar").arg(folder.join("meta")).arg(folder.join("data"));
            for name in ["data", "meta"] {
                std::fs::create_dir(folder.join(name)).unwrap();
            }
            std::fs::create_dir(folder.join("data").join(bucket)).unwrap();
            command
        })
    }
}

/// What whoever uses the S3 of [`Server::versitygw`] has in the environment.
pub fn aws(endpoint: &str) -> [(&'static str, String); 5] {
    [
        ("AWS_ENDPOINT_URL", endpoint.to_owned()),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "kompox".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "kompox-secret".to_owned()),
    ]
}
