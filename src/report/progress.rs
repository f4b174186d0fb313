//! The progress of a run: events folded into a display, plain lines or JSON lines.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::ascii::ascii;
use super::escape::one_line;
use super::facts::counted;
use super::line::{Ink, fitted, paint};
use super::quiet::Quiet;
use super::summary::{duration, error_facts, past, present};
use super::typed::Commands;
use super::{Style, json};
use crate::engine::address::Address;
use crate::engine::event::{Event, Reconciled, Sink, SkipReason};
use crate::engine::plan::Verb;

/// How often a live display moves on.
const TICK: Duration = Duration::from_millis(120);

/// Takes the events of a run and shows them. Emitting returns at once: a thread of its own writes, so that a slow
/// terminal or a full pipe never holds up an apply.
pub struct Progress {
    sender: Mutex<Option<Sender<Event>>>,
    writer: Mutex<Option<JoinHandle<io::Result<()>>>>,
}

impl Progress {
    /// A live display on stderr: below each app and cluster a line per running action with the time it took so far, and a
    /// counter. What is done scrolls by above it.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn terminal(style: Style) -> io::Result<Self> {
        Self::start(Live { quiet: Quiet::new(), ..Live::new(ProgressDrawTarget::stderr(), style) })
    }

    /// Plain lines, for pipes and logs.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn lines(out: Box<dyn Write + Send>, style: Style) -> io::Result<Self> {
        Self::start(Lines { out, style, fold: Fold { room: usize::MAX, ..Fold::default() } })
    }

    /// One JSON object per event and line.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn json(out: Box<dyn Write + Send>, commands: Commands) -> io::Result<Self> {
        Self::start(JsonLines { out, commands })
    }

    fn start(display: impl Display + 'static) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let writer = thread::Builder::new().name("progress".to_owned()).spawn(move || run(display, &receiver))?;
        Ok(Self { sender: Mutex::new(Some(sender)), writer: Mutex::new(Some(writer)) })
    }

    /// Waits until everything emitted so far is written and takes the display away; later events are dropped. To be called
    /// before anything else is printed.
    ///
    /// # Errors
    /// The writer's first error; after it nothing more was written.
    pub fn finish(&self) -> io::Result<()> {
        drop(lock(&self.sender).take());
        match lock(&self.writer).take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(io::Error::other("the progress display stopped")),
        }
    }
}

impl Sink for Progress {
    fn emit(&self, event: Event) {
        if let Some(sender) = &*lock(&self.sender) {
            // The writer ends early only when its output is closed; then nobody is there to be told.
            let _ = sender.send(event);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // The error was for `finish`; here nobody can take it.
        let _ = self.finish();
    }
}

/// What is behind the lock is replaced as a whole, so a panic elsewhere leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One way to show events.
trait Display: Send {
    fn show(&mut self, event: &Event) -> io::Result<()>;

    /// How often to call [`Display::tick`], if at all.
    fn every(&self) -> Option<Duration> {
        None
    }

    /// Moves on what shows the time.
    fn tick(&mut self) {}

    /// After the last event.
    fn end(&mut self) -> io::Result<()>;
}

fn run(mut display: impl Display, events: &Receiver<Event>) -> io::Result<()> {
    loop {
        let next = match display.every() {
            Some(every) => events.recv_timeout(every),
            None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match next {
            Ok(event) => display.show(&event)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return display.end(),
        }
        display.tick();
    }
}

/// What a line needs to remember of earlier events.
#[derive(Default)]
struct Fold {
    /// Columns for an address.
    room: usize,
    changes: usize,
    over: usize,
    statuses: HashMap<Address, String>,
}

impl Fold {
    /// The line of an event, if it is worth one: its text and the meaning of it.
    fn line(&mut self, event: &Event) -> Option<(Ink, String)> {
        let room = self.room;
        let name = |address: &Address| fitted(address.as_str(), room);
        Some(match event {
            Event::Began { changes } => {
                self.changes = *changes;
                (Ink::Bold, counted(*changes, "change"))
            }
            Event::Reconciled { address, outcome } => {
                let outcome = match outcome {
                    Reconciled::Adopted => "had been made by an earlier run; recorded",
                    Reconciled::NotStarted => "had not been begun by the earlier run; planned anew",
                    Reconciled::Deleted => "had been deleted by an earlier run; its record is gone",
                    Reconciled::Replanned => "may be half done by an earlier run; planned anew from what is there",
                    Reconciled::StillRunning => "is still being changed by what an earlier run began",
                };
                (Ink::Noted, format!("{} {outcome}", name(address)))
            }
            Event::Started { address, action, .. } => (Ink::Dim, format!("{} {} …", present(*action), name(address))),
            Event::Status { address, text } => {
                if self.statuses.get(address) == Some(text) {
                    return None;
                }
                self.statuses.insert(address.clone(), text.clone());
                (Ink::Dim, format!("{}: {}", name(address), one_line(text)))
            }
            Event::Retried { address, delay, reason } => {
                (Ink::Changed, format!("{}: trying again in {}: {}", name(address), duration(*delay), one_line(reason)))
            }
            Event::Finished { address, action, took } => (
                Ink::of(*action),
                format!("{} {} in {}{}", past(*action), name(address), duration(*took), self.end(address)),
            ),
            Event::Failed { address, action, took, error } => {
                let facts = error_facts(error);
                let facts = if facts.is_empty() { facts } else { format!(" ({facts})") };
                let what = format!("failed to {} {} after {}", action.word(), name(address), duration(*took));
                (Ink::Danger, format!("{what}: {}{facts}{}", one_line(&error.message), self.end(address)))
            }
            Event::Skipped { address, action, because } => {
                let because = match because {
                    SkipReason::DependencyFailed(failed) => format!("because {} failed", name(failed)),
                    SkipReason::Interrupted => "because of the interruption".to_owned(),
                };
                (
                    Ink::Changed,
                    format!("not trying to {} {} {because}{}", action.word(), name(address), self.end(address)),
                )
            }
            Event::Interrupted { graceful: true, running } => {
                let running = counted(*running, "running call");
                let text = format!("interrupted: starting nothing new, waiting for {running}; once more stops waiting");
                (Ink::Danger, text)
            }
            Event::Interrupted { graceful: false, running } => {
                let running = counted(*running, "running call");
                (Ink::Danger, format!("interrupted: not waiting for {running}; the next run looks into them"))
            }
            Event::Ended(_) => return None,
        })
    }

    /// Counts one more that is over, and says how many are.
    fn end(&mut self, address: &Address) -> String {
        self.over += 1;
        self.statuses.remove(address);
        format!(" ({}/{})", self.over, self.changes.max(self.over))
    }
}

struct Lines {
    out: Box<dyn Write + Send>,
    style: Style,
    fold: Fold,
}

impl Display for Lines {
    fn show(&mut self, event: &Event) -> io::Result<()> {
        let Some((ink, text)) = self.fold.line(event) else { return Ok(()) };
        let text = if self.style.unicode { text } else { ascii(&text).into_owned() };
        writeln!(self.out, "kompox: {}", paint(&text, ink, &self.style))?;
        // A log is read while it grows.
        self.out.flush()
    }

    fn end(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

struct JsonLines {
    out: Box<dyn Write + Send>,
    commands: Commands,
}

impl Display for JsonLines {
    fn show(&mut self, event: &Event) -> io::Result<()> {
        json::write(&mut self.out, &json::event(event, &self.commands), false)?;
        self.out.flush()
    }

    fn end(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Columns beside an address in a line about it.
const BESIDE: usize = 30;

/// The display on a terminal: a tree of what runs.
struct Live {
    bars: MultiProgress,
    total: ProgressBar,
    branches: Vec<Branch>,
    failed: usize,
    style: Style,
    fold: Fold,
    /// What its terminal leaves to it until the end.
    quiet: Quiet,
}

/// What runs for one app or cluster, below a line with its name.
struct Branch {
    scope: String,
    head: ProgressBar,
    leaves: Vec<Leaf>,
}

/// One running action.
struct Leaf {
    address: Address,
    text: String,
    bar: ProgressBar,
}

impl Live {
    fn new(target: ProgressDrawTarget, style: Style) -> Self {
        let bars = MultiProgress::with_draw_target(target);
        let total = bars.add(ProgressBar::no_length());
        total.set_style(Self::look("{spinner} {pos}/{len} {msg} {elapsed}", &style));
        let fold = Fold { room: style.width.saturating_sub(BESIDE), ..Fold::default() };
        Self { bars, total, branches: Vec::new(), failed: 0, style, fold, quiet: Quiet::default() }
    }

    fn look(template: &str, style: &Style) -> ProgressStyle {
        let ticks = if style.unicode { "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ " } else { "-\\|/ " };
        // The templates are constants and well formed; the fallback is a spinner all the same.
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner()).tick_chars(ticks)
    }

    /// Text in the characters that the terminal has.
    fn text(&self, text: String) -> String {
        if self.style.unicode { text } else { ascii(&text).into_owned() }
    }

    fn running(&self) -> usize {
        self.branches.iter().map(|branch| branch.leaves.len()).sum()
    }

    fn count(&self) {
        let failed = if self.failed > 0 { format!(", {} failed", self.failed) } else { String::new() };
        self.total.set_message(format!("done, {} running{failed}", self.running()));
        self.total.set_length(self.fold.changes.max(self.fold.over) as u64);
        self.total.set_position(self.fold.over as u64);
    }

    /// The branch of a scope; a new one comes last.
    fn branch(&mut self, scope: &str) -> &mut Branch {
        let found = self.branches.iter().position(|branch| branch.scope == scope);
        let position = found.unwrap_or_else(|| {
            let head = self.bars.insert_before(&self.total, ProgressBar::new_spinner());
            head.set_style(Self::look("{wide_msg}", &self.style));
            let name = self.text(fitted(scope, self.style.width));
            head.set_message(paint(&name, Ink::Bold, &self.style));
            self.branches.push(Branch { scope: scope.to_owned(), head, leaves: Vec::new() });
            self.branches.len() - 1
        });
        &mut self.branches[position]
    }

    fn start(&mut self, address: &Address, action: Verb) {
        let name = fitted(address.short(), self.fold.room);
        let text = self.text(format!("{} {name}", present(action)));
        let (bars, style) = (self.bars.clone(), self.style);
        let branch = self.branch(address.scope());
        let above = branch.leaves.last().map_or(&branch.head, |leaf| &leaf.bar);
        let bar = bars.insert_after(above, ProgressBar::new_spinner());
        bar.set_style(Self::look("  {spinner} {wide_msg} {elapsed}", &style));
        bar.set_message(paint(&text, Ink::of(action), &style));
        branch.leaves.push(Leaf { address: address.clone(), text, bar });
    }

    /// Says how it goes; false if it does not run.
    fn status(&mut self, address: &Address, status: &str) -> bool {
        let leaf = self.branches.iter().flat_map(|branch| &branch.leaves).find(|leaf| leaf.address == *address);
        if let Some(leaf) = leaf {
            leaf.bar.set_message(format!("{}: {}", leaf.text, self.text(one_line(status))));
        }
        leaf.is_some()
    }

    fn stop(&mut self, address: &Address) {
        let bars = self.bars.clone();
        let end = |bar: &ProgressBar| {
            bar.finish_and_clear();
            bars.remove(bar);
        };
        for branch in &mut self.branches {
            if let Some(position) = branch.leaves.iter().position(|leaf| leaf.address == *address) {
                end(&branch.leaves.remove(position).bar);
            }
        }
        self.branches.retain(|branch| {
            let goes_on = !branch.leaves.is_empty();
            if !goes_on {
                end(&branch.head);
            }
            goes_on
        });
    }

    fn bars(&self) -> impl Iterator<Item = &ProgressBar> {
        self.branches
            .iter()
            .flat_map(|branch| std::iter::once(&branch.head).chain(branch.leaves.iter().map(|leaf| &leaf.bar)))
    }
}

impl Display for Live {
    fn show(&mut self, event: &Event) -> io::Result<()> {
        let line = self.fold.line(event);
        let mut scrolls = true;
        match event {
            Event::Started { address, action, .. } => {
                self.start(address, *action);
                scrolls = false;
            }
            Event::Status { address, text } => scrolls = !self.status(address, text),
            Event::Finished { address, .. } | Event::Skipped { address, .. } => self.stop(address),
            Event::Failed { address, .. } => {
                self.failed += 1;
                self.stop(address);
            }
            Event::Began { .. } => scrolls = false,
            Event::Reconciled { .. } | Event::Retried { .. } | Event::Interrupted { .. } | Event::Ended(_) => {}
        }
        self.count();
        match line {
            Some((ink, text)) if scrolls => self.bars.println(paint(&self.text(text), ink, &self.style)),
            _ => Ok(()),
        }
    }

    fn every(&self) -> Option<Duration> {
        Some(TICK)
    }

    fn tick(&mut self) {
        self.bars().for_each(ProgressBar::tick);
        self.total.tick();
    }

    fn end(&mut self) -> io::Result<()> {
        self.bars().for_each(ProgressBar::finish_and_clear);
        self.branches.clear();
        self.total.finish_and_clear();
        self.bars.clear()?;
        self.quiet = Quiet::default();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;
    use std::sync::Arc;

    /// A writer that can be read while another has it.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            lock(&self.0).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A pipe whose reader is gone.
    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn text(shared: &Shared) -> String {
        String::from_utf8(lock(&shared.0).clone()).unwrap()
    }

    #[test]
    fn a_pipe_gets_plain_lines() {
        let out = Shared::default();
        let progress = Progress::lines(Box::new(out.clone()), Style::PLAIN).unwrap();
        testing::events().into_iter().for_each(|event| progress.emit(event));
        progress.finish().unwrap();
        progress.emit(Event::Began { changes: 1 });
        insta::assert_snapshot!(text(&out), @r#"
        kompox: 3 changes
        kompox: /ws/ops/prv/aks1/app/gitea/snapshot/daily had been made by an earlier run; recorded
        kompox: creating /ws/ops/prv/aks1/app/gitea/resource-group/rg …
        kompox: /ws/ops/prv/aks1/app/gitea/resource-group/rg: accepted
        kompox: /ws/ops/prv/aks1/app/gitea/resource-group/rg: still \u{1b}[31mcreating
        kompox: /ws/ops/prv/aks1/app/gitea/resource-group/rg: trying again in 2 s: HTTP 429
        kompox: created /ws/ops/prv/aks1/app/gitea/resource-group/rg in 3 s (1/3)
        kompox: creating /ws/ops/prv/aks1/app/gitea/disk/default …
        kompox: failed to create /ws/ops/prv/aks1/app/gitea/disk/default after 0.7 s: Operation could not be completed as it results in exceeding approved quota. Limit: 10 (code QuotaExceeded, HTTP 409, request id 8b1f) (2/3)
        kompox: not trying to create /ws/ops/prv/aks1/cls/c1/app/gitea/PersistentVolumeClaim/default because /ws/ops/prv/aks1/app/gitea/disk/default failed (3/3)
        kompox: interrupted: starting nothing new, waiting for 1 running call; once more stops waiting
        kompox: interrupted: not waiting for 1 running call; the next run looks into them
        "#);
    }

    #[test]
    fn machines_get_an_object_per_line() {
        let out = Shared::default();
        let progress = Progress::json(Box::new(out.clone()), Commands::PLAIN).unwrap();
        testing::events().into_iter().for_each(|event| progress.emit(event));
        progress.finish().unwrap();
        let types: Vec<String> = text(&out)
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .map(|event| event["type"].as_str().unwrap().to_owned())
            .collect();
        let all = "began reconciled started status status status retried finished started failed skipped interrupted \
                   interrupted ended";
        assert_eq!(types.join(" "), all);
    }

    #[test]
    fn a_closed_pipe_is_reported_once_and_holds_nothing_up() {
        let progress = Progress::lines(Box::new(Closed), Style::PLAIN).unwrap();
        testing::events().into_iter().for_each(|event| progress.emit(event));
        assert_eq!(progress.finish().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        progress.finish().unwrap();
    }

    #[test]
    fn a_terminal_shows_what_runs_and_forgets_what_is_over() {
        let mut live = Live::new(ProgressDrawTarget::hidden(), Style::PLAIN);
        let mut most = 0;
        for event in testing::events() {
            live.show(&event).unwrap();
            live.tick();
            most = most.max(live.running());
        }
        assert_eq!((most, live.running(), live.branches.len(), live.failed), (1, 0, 0, 1));
        assert_eq!((live.total.position(), live.total.length()), (3, Some(3)));
        live.end().unwrap();
    }
}
