//! What a person sees on a terminal: a real one, by `script`, and what its screen shows after all escapes, by `vt100`.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::harness::stage::{FAST, Stage};
use crate::harness::{skip, watch_for, within};

/// The characters of a spinner.
const SPINNER: &str = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";

/// Rows of the screen that is looked at: nothing scrolls away, while the program sees those of its terminal.
const LONG: u16 = 300;

/// A program on a terminal of its own.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    out: Arc<Mutex<Vec<u8>>>,
    reader: std::thread::JoinHandle<()>,
    columns: u16,
}

impl Terminal {
    /// Starts a command on a terminal of this size; nothing where there is no `script`.
    fn start(command: &Command, (rows, columns): (u16, u16), set: &[(&str, &str)]) -> Option<Self> {
        if Command::new("script").arg("--version").output().is_err() {
            skip("nothing is shown on a terminal: script (util-linux) cannot be started");
            return None;
        }
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words: Vec<String> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
        let line = format!("stty rows {rows} cols {columns}; exec {}", words.join(" "));
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]).env_clear();
        script.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        script.env_remove("NO_COLOR").env_remove("COLUMNS").env("TERM", "xterm-256color").env("SHELL", "/bin/sh");
        script.env("PATH", std::env::var_os("PATH").unwrap()).envs(set.iter().copied());
        script.current_dir(command.get_current_dir().unwrap());
        let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (keys, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let out: Arc<Mutex<Vec<u8>>> = Arc::default();
        let into = Arc::clone(&out);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stdout.read(&mut buffer) {
                into.lock().unwrap().extend_from_slice(&buffer[..read]);
            }
        });
        Some(Self { child, keys, out, reader, columns })
    }

    /// Everything that the terminal shows now, what scrolled away included.
    fn screen(&self) -> Vec<String> {
        let mut parser = vt100::Parser::new(LONG, self.columns, 0);
        parser.process(&self.out.lock().unwrap());
        let rows = parser.screen().rows(0, self.columns).map(|row| row.trim_end().to_owned());
        let mut rows: Vec<String> = rows.collect();
        while rows.last().is_some_and(String::is_empty) {
            rows.pop();
        }
        rows
    }

    fn press(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits for its end: exit code, bytes, screen.
    fn end(mut self) -> (i32, Vec<u8>, Vec<String>) {
        let mut status = None;
        within("the program on the terminal to end", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        within("all of it to be read", || self.reader.is_finished());
        let screen = self.screen();
        assert!(screen.len() < LONG.into());
        let bytes = self.out.lock().unwrap().clone();
        (status.unwrap().code().unwrap(), bytes, screen)
    }
}

fn shown(screen: &[String]) -> String {
    screen.join("\n")
}

#[test]
fn an_apply_shows_a_tree_and_leaves_a_log_at_80_columns() {
    let stage = Stage::new();
    let cloud = stage.cloud(&["--operation-delay", "300", "--readiness-delay", "150"]);
    let command = stage.command(&cloud.endpoint, &["apply", "--auto-approve"]);
    let Some(terminal) = Terminal::start(&command, (24, 80), &[]) else { return };
    // Below the app what runs for it, with its time, and last the count of all.
    let tree = watch_for("a tree", || {
        let screen = terminal.screen();
        let counter = screen.last().filter(|row| row.contains(" done, "))?;
        let leaf = screen
            .iter()
            .position(|row| row.starts_with("  ") && row.trim_start().starts_with(|c| SPINNER.contains(c)))?;
        assert!(counter.starts_with(|c| SPINNER.contains(c)) && counter.contains("running"), "{}", shown(&screen));
        screen[leaf].contains("node-pool/").then(|| (screen[leaf - 1].clone(), screen[leaf].clone()))
    });
    assert!(tree.0.ends_with("/cls/cluster1") && tree.1.contains("creating node-pool/"), "{tree:?}");
    assert!(tree.1.ends_with('s'), "the time stands at the end of the row: {tree:?}");
    let (code, _, screen) = terminal.end();
    let all = shown(&screen);
    assert_eq!(code, 0, "{all}");
    assert!(!all.contains(|c| SPINNER.contains(c)) && !all.contains(" running"), "{all}");
    // One row for each, with its end.
    let log: Vec<&String> = screen.iter().filter(|row| row.starts_with("created ")).collect();
    assert_eq!(log.len(), stage.state().records().unwrap().len(), "{all}");
    for record in stage.state().records().unwrap() {
        let end = format!("{} in ", record.address.short());
        assert!(log.iter().any(|row| row.contains(&end) && row.ends_with(&format!("/{})", log.len()))), "{end}: {all}");
    }
    assert!(all.contains("Apply complete"), "{all}");
}

#[test]
fn ctrl_c_leaves_no_stale_row() {
    for presses in [1, 2] {
        let stage = Stage::new();
        let cloud = stage.cloud(&["--operation-delay", if presses == 1 { "500" } else { "3000" }]);
        let command = stage.command(&cloud.endpoint, &["apply", "--auto-approve"]);
        let Some(mut terminal) = Terminal::start(&command, (24, 80), &[]) else { return };
        within("the cluster to be begun", || shown(&terminal.screen()).contains("creating node-pool/"));
        for word in &["waiting for", "not waiting for"][..presses] {
            terminal.press(b"\x03");
            within(word, || shown(&terminal.screen()).contains(word));
        }
        let (code, _, screen) = terminal.end();
        let all = shown(&screen);
        assert_eq!(code, 130, "{all}");
        assert!(!all.contains(|c| SPINNER.contains(c)) && !all.contains(" done, "), "{all}");
        assert!(all.contains("interrupted: starting nothing new"), "{all}");
        // What the terminal itself wrote, and rows of the display: above the log stands the plan, which has each name once.
        assert!(!all.contains("^C") && !screen.iter().any(|row| row.trim_start().starts_with("creating")), "{all}");
        let heads: Vec<&String> = screen.iter().filter(|row| row.starts_with("/ws/")).collect();
        let distinct: std::collections::BTreeSet<&String> = heads.iter().copied().collect();
        assert_eq!(heads.len(), distinct.len(), "{all}");
    }
}

#[test]
fn a_terminal_gets_no_more_than_it_has() {
    let stage = Stage::applied();
    let cloud = stage.cloud(FAST);
    stage.edit("compose.yml", "gitea:1.24.6", "gitea:1.24.7");
    let plan = stage.command(&cloud.endpoint, &["plan"]);
    let run = |columns: u16, set: &[(&str, &str)]| {
        let (code, bytes, screen) = Terminal::start(&plan, (24, columns), set)?.end();
        assert_eq!(code, 0, "{}", shown(&screen));
        Some((String::from_utf8(bytes).unwrap(), screen))
    };
    let Some((colours, wide)) = run(160, &[]) else { return };
    assert!(colours.contains("\u{1b}[") && colours.contains('→'), "{colours}");
    let (none, _) = run(160, &[("NO_COLOR", "1")]).unwrap();
    assert!(!none.contains('\u{1b}') && none.contains('→'), "{none}");
    let (ascii, screen) = run(160, &[("LANG", "C"), ("NO_COLOR", "1")]).unwrap();
    assert!(ascii.is_ascii() && shown(&screen).contains("gitea:1.24.6\" -> \""), "{ascii}");
    // Signs of others, too: rules beside a line of source.
    assert!(shown(&wide).contains("╭▸ kompoxapp.yml:") && shown(&screen).contains("--> kompoxapp.yml:"), "{ascii}");
    let plan_of = |screen: &[String]| shown(screen).split_once("\n/ws/").unwrap().1.replace('→', "->");
    assert_eq!(plan_of(&screen), plan_of(&wide));
    // What does not fit beside each other stands below each other.
    let one_row = |screen: &[String]| screen.iter().any(|row| row.contains("1.24.6") && row.contains("1.24.7"));
    let (_, narrow) = run(60, &[]).unwrap();
    assert!(one_row(&wide) && !one_row(&narrow), "{}", shown(&narrow));
    let (_, told) = run(60, &[("COLUMNS", "160")]).unwrap();
    assert!(shown(&told) != shown(&narrow), "COLUMNS counts more than the terminal");
}
