//! The contract on real servers, which `tests/stores/build` installs. `KOMPOX_STORES` names their folder; without it these
//! tests say that they were skipped.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Barrier, OnceLock};

use tempfile::TempDir;

use super::tests::spoil;
use super::*;
use crate::contract::{self, Backend, Spoiled, put, record, request};
use crate::lease::Clock;
use crate::stores::{ACCOUNT, AZURITE, BUCKET, GCS, MOTO, Server, VERSITYGW, aws, azure, google, installed, tell};

/// Which server.
trait Kind: 'static {
    /// The program, below the folder of all.
    const PROGRAM: &'static str;
    /// How often many want the lock at once: fewer times where a request takes long.
    const ROUNDS: usize;
    fn shared() -> &'static OnceLock<Option<Server>>;
    /// Starts it, and makes the bucket.
    fn start(program: &Path) -> Server;
    fn objects(prefix: String) -> Objects;
    fn variables(endpoint: &str) -> Vec<(&'static str, String)>;
}

/// The server, started by whoever needs it first; none where it is not installed.
fn server<K: Kind>() -> Option<&'static Server> {
    K::shared().get_or_init(|| installed(K::PROGRAM).map(|program| K::start(&program))).as_ref()
}

struct VersityGateway;

impl Kind for VersityGateway {
    const PROGRAM: &'static str = VERSITYGW;
    const ROUNDS: usize = 10;

    fn shared() -> &'static OnceLock<Option<Server>> {
        static SERVER: OnceLock<Option<Server>> = OnceLock::new();
        &SERVER
    }

    fn start(program: &Path) -> Server {
        Server::versitygw(program)
    }

    fn objects(prefix: String) -> Objects {
        Objects::S3 { bucket: BUCKET.to_owned(), prefix }
    }

    fn variables(endpoint: &str) -> Vec<(&'static str, String)> {
        aws(endpoint).to_vec()
    }
}

struct Moto;

impl Kind for Moto {
    const PROGRAM: &'static str = MOTO;
    const ROUNDS: usize = 3;

    fn shared() -> &'static OnceLock<Option<Server>> {
        static SERVER: OnceLock<Option<Server>> = OnceLock::new();
        &SERVER
    }

    fn start(program: &Path) -> Server {
        Server::moto(program)
    }

    fn objects(prefix: String) -> Objects {
        VersityGateway::objects(prefix)
    }

    fn variables(endpoint: &str) -> Vec<(&'static str, String)> {
        VersityGateway::variables(endpoint)
    }
}

struct Azurite;

impl Kind for Azurite {
    const PROGRAM: &'static str = AZURITE;
    const ROUNDS: usize = 3;

    fn shared() -> &'static OnceLock<Option<Server>> {
        static SERVER: OnceLock<Option<Server>> = OnceLock::new();
        &SERVER
    }

    fn start(program: &Path) -> Server {
        Server::azurite(program)
    }

    fn objects(prefix: String) -> Objects {
        Objects::Azure { account: ACCOUNT.to_owned(), container: BUCKET.to_owned(), prefix }
    }

    fn variables(endpoint: &str) -> Vec<(&'static str, String)> {
        azure(endpoint).to_vec()
    }
}

struct Google;

impl Kind for Google {
    const PROGRAM: &'static str = GCS;
    const ROUNDS: usize = 5;

    fn shared() -> &'static OnceLock<Option<Server>> {
        static SERVER: OnceLock<Option<Server>> = OnceLock::new();
        &SERVER
    }

    fn start(program: &Path) -> Server {
        Server::gcs(program)
    }

    fn objects(prefix: String) -> Objects {
        Objects::Google { bucket: BUCKET.to_owned(), prefix }
    }

    fn variables(endpoint: &str) -> Vec<(&'static str, String)> {
        google(endpoint).to_vec()
    }
}

/// A state on a server, below a prefix of its own.
struct On<K> {
    objects: Objects,
    variables: Variables,
    folder: TempDir,
    clock: Clock,
    kind: std::marker::PhantomData<K>,
}

impl<K: Kind> On<K> {
    fn presence(&self) -> PathBuf {
        self.folder.path().join("object.lock")
    }

    fn open_through(&self, connector: Connector) -> ObjectStore {
        let store = ObjectStore::open_through(connector, &self.objects, &self.variables, &self.presence()).unwrap();
        store.judging_by(self.clock.clone())
    }
}

impl<K: Kind> Backend for On<K> {
    type Store = ObjectStore;

    const CASES: u32 = 8;

    fn new() -> Self {
        let server = server::<K>().expect("asked for only where there is one");
        let variables = K::variables(&server.endpoint).into_iter().map(|(name, value)| (name.to_owned(), value));
        Self {
            objects: K::objects(format!("team/{}", Uuid::new_v4())),
            variables: variables.collect(),
            folder: tempfile::tempdir().unwrap(),
            clock: Clock::default(),
            kind: std::marker::PhantomData,
        }
    }

    fn open(&self) -> ObjectStore {
        self.open_through(Connector::default())
    }

    fn spoil(&self, what: Spoiled, text: &str) {
        let store = self.open();
        let (bucket, text) = (store.inner.bucket.clone(), text.to_owned());
        let spoiled = store.inner.wait(async move {
            let name = format!("log/{}", bucket.list("log", None).await?.last().unwrap());
            let bytes = bucket.get(&name).await?.unwrap();
            bucket.put(&name, spoil(&bytes, what, &text)).await
        });
        spoiled.unwrap();
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }
}

/// A server that creates what exists keeps no state, and the first use makes none there. For servers that check no signature:
/// the condition is part of it.
fn refuses_a_server_that_overwrites<K: Kind>() {
    if server::<K>().is_none() {
        return;
    }
    let place = On::<K>::new();
    let connector = Connector { drops_conditions: true, ..Connector::default() };
    let opened = ObjectStore::open_through(connector, &place.objects, &place.variables, &place.presence());
    let error = opened.map(drop).unwrap_err();
    assert!(matches!(error, StateError::NotExclusive { .. }), "{error}");
    let none = ObjectStore::open_existing(&place.objects, &place.variables, &place.presence()).unwrap();
    assert!(none.is_none(), "no state was made there");
    assert_eq!(place.open().serial().unwrap(), 0, "one is made when the condition counts");
}

/// Of 16 that want the lock at once one gets it, each time; nobody's commit is lost. `KOMPOX_STORES_ROUNDS` says how often.
fn one_of_many_gets_the_lock<K: Kind>() {
    const WRITERS: usize = 16;
    if server::<K>().is_none() {
        return;
    }
    let place = On::<K>::new();
    drop(place.open());
    let mut expected = 0;
    let wanted = std::env::var("KOMPOX_STORES_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let rounds = wanted.unwrap_or(K::ROUNDS);
    for round in 0..rounds {
        // Each as on a machine of its own: the file of one machine decides nothing between them.
        let folders: Vec<TempDir> = (0..WRITERS).map(|_| tempfile::tempdir().unwrap()).collect();
        let stores: Vec<ObjectStore> = folders
            .iter()
            .map(|folder| ObjectStore::open(&place.objects, &place.variables, &folder.path().join("lock")).unwrap())
            .collect();
        let barrier = Barrier::new(WRITERS);
        let locks: Vec<Result<Lock, StateError>> = std::thread::scope(|scope| {
            let try_lock = |n: usize, store: &ObjectStore| {
                barrier.wait();
                store.try_lock(&request(&format!("host{n}")))
            };
            let threads: Vec<_> =
                stores.iter().enumerate().map(|(n, store)| scope.spawn(move || try_lock(n, store))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let held: Vec<(usize, Lock)> =
            locks.into_iter().enumerate().filter_map(|(n, lock)| lock.ok().map(|lock| (n, lock))).collect();
        assert_eq!(held.len(), 1, "round {round}");
        for (n, lock) in held {
            expected = stores[n].commit(&lock, &[put(record(&format!("r{round}")))]).unwrap();
            lock.release().unwrap();
        }
    }
    let seen = place.open().snapshot().unwrap();
    assert_eq!((seen.serial, seen.records.len()), (expected, rounds));
    tell(&format!("contention: {}: 16 writers, {rounds} rounds, one holder in each, no commit lost", K::PROGRAM));
}

/// How many requests each thing takes.
fn requests<K: Kind>() -> Option<[u64; 5]> {
    server::<K>()?;
    let place = On::<K>::new();
    let connector = Connector::default();
    let count = |work: &mut dyn FnMut()| {
        let before = connector.sent.load(Ordering::Relaxed);
        work();
        connector.sent.load(Ordering::Relaxed) - before
    };
    let store = place.open_through(connector.clone());
    let mut lock = None;
    let locking = count(&mut || lock = store.try_lock(&request("here")).ok());
    let lock = lock.unwrap();
    let small = count(&mut || {
        store.commit(&lock, &[put(record("a"))]).unwrap();
    });
    let many: Vec<Change> = (0..3000).map(|n| put(record(&format!("many{n}")))).collect();
    store.commit(&lock, &many).unwrap();
    for n in 0..WORTH_IT {
        store.commit(&lock, &[put(record(&format!("more{n}")))]).unwrap();
    }
    let large = count(&mut || {
        store.commit(&lock, &[put(record("a"))]).unwrap();
    });
    lock.release().unwrap();
    let mut records = 0;
    let cold = count(&mut || records = place.open_through(connector.clone()).snapshot().unwrap().records.len());
    assert_eq!(records as u64, 3001 + WORTH_IT);
    let again = count(&mut || drop(store.snapshot().unwrap()));
    tell(&format!(
        "requests: {}: lock {locking}, commit {small}, commit to 3,000 records {large}, cold read {cold}, new look {again}",
        K::PROGRAM
    ));
    Some([locking, small, large, cold, again])
}

macro_rules! on_servers {
    ($($name:ident: $kind:ty),+) => {
        $(mod $name {
            use super::*;

            contract::contract_tests!(On<$kind>, where server::<$kind>().is_some());

            #[test]
            fn gives_the_lock_to_one() {
                one_of_many_gets_the_lock::<$kind>();
            }

            #[test]
            fn takes_few_requests() {
                let Some([locking, small, large, cold, again]) = requests::<$kind>() else { return };
                assert!(locking <= 6, "{locking}");
                assert_eq!((small, large), (1, 1));
                // The identity, the list, the summary, and the entry of the release.
                assert!(cold <= 5, "{cold}");
                assert!(again <= 2, "{again}");
            }
        })+
    };
}

on_servers!(versitygw: VersityGateway, moto: Moto, azurite: Azurite, gcs: Google);

#[test]
fn no_state_is_kept_where_a_creation_overwrites() {
    refuses_a_server_that_overwrites::<Moto>();
    refuses_a_server_that_overwrites::<Google>();
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let variables = VersityGateway::variables(&format!("http://127.0.0.1:{port}"));
    let variables: Variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let folder = tempfile::tempdir().unwrap();
    let objects = VersityGateway::objects("p".to_owned());
    let error = ObjectStore::open_existing(&objects, &variables, &folder.path().join("lock")).map(drop).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("s3://states/p") && text.contains("check the network"), "{text}");
    assert!(!text.contains("kompox-secret"), "{text}");
}
