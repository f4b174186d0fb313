//! The changes of a plan, folded: one block for each app and each cluster, the one with dangers first. What does not fit is
//! cut from the least important end: fields, then objects, then blocks.

use std::collections::{BTreeMap, BTreeSet};

use super::names::Own;
use super::words::code;
use crate::engine::address::{Address, ends};
use crate::engine::plan::{Plan, PlannedAction, Verb};
use crate::report::Style;
use crate::report::escape::{clean, fence, html};
use crate::report::facts::counted;
use crate::report::text::{self, Options};

/// Room for the line that says what of a block was left out.
const NOTE: usize = 64;

/// How much a reviewer must see of an object; the least comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Danger,
    Identity,
    Change,
    Creation,
    Rest,
}

impl Weight {
    fn of(planned: &PlannedAction, at_risk: &BTreeSet<&Address>) -> Self {
        match planned.action {
            _ if at_risk.contains(&planned.address) => Self::Danger,
            action if action.deletes() => Self::Danger,
            Verb::Import | Verb::Forget | Verb::Move => Self::Identity,
            Verb::Update | Verb::Refresh => Self::Change,
            Verb::Create => Self::Creation,
            _ => Self::Rest,
        }
    }
}

/// An object's lines in a ```diff fence: the one that names it, and those of each field.
struct Object {
    weight: Weight,
    head: String,
    fields: Vec<String>,
    /// How many of its fields are shown; none is with the object itself.
    shown: usize,
    left_out: bool,
}

/// The objects of one scope, below its whole name.
struct Scope {
    title: String,
    objects: Vec<Object>,
}

/// One fold.
struct Block {
    title: String,
    scopes: Vec<Scope>,
    fence: String,
    left_out: bool,
}

/// The folds of a plan.
pub(super) struct Folds {
    blocks: Vec<Block>,
    size: usize,
}

impl Folds {
    pub(super) fn of(plan: &Plan) -> Self {
        let at_risk: BTreeSet<&Address> = plan.dangers.iter().filter_map(|danger| danger.address.as_ref()).collect();
        let mut groups: BTreeMap<String, BTreeMap<&str, Vec<&PlannedAction>>> = BTreeMap::new();
        for (scope, actions) in text::by_scope(plan) {
            groups.entry(text::owner(scope)).or_default().insert(scope, actions);
        }
        let keys: Vec<String> = groups.keys().cloned().collect();
        let unique = |end: &str| {
            keys.iter().filter(|key| key.strip_suffix(end).is_some_and(|rest| rest.ends_with('/'))).count() == 1
        };
        let mut blocks: Vec<(Weight, Block)> = Vec::new();
        for (owner, scopes) in groups {
            let short = ends(&owner).find(|end| unique(end)).unwrap_or(&owner);
            let all: Vec<&PlannedAction> = scopes.values().flatten().copied().collect();
            let title = format!("<b>{}</b>: {}", code(short), counts(&all));
            let weight = all.iter().map(|planned| Weight::of(planned, &at_risk)).min().unwrap_or(Weight::Rest);
            let scopes = scopes.into_iter().map(|(scope, actions)| Scope::of(scope, &actions, &at_risk)).collect();
            blocks.push((weight, Block::of(title, scopes)));
        }
        // Equal ones stay in the order of their names.
        blocks.sort_by_key(|(weight, _)| *weight);
        let blocks: Vec<Block> = blocks.into_iter().map(|(_, block)| block).collect();
        let size = blocks.iter().map(Block::size).sum();
        Self { blocks, size }
    }

    /// Bytes, if nothing is left out.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Leaves out what does not fit into so many bytes; says in words what that was.
    pub(super) fn cut(&mut self, room: usize) -> Vec<String> {
        let objects = self.by_importance();
        let (mut fields, mut left_out, mut blocks) = (0, 0, 0);
        for place in objects.iter().rev() {
            while self.size > room && self.object(*place).shown > 0 {
                let object = self.object(*place);
                object.shown -= 1;
                let freed = object.fields[object.shown].len();
                self.size -= freed;
                fields += 1;
            }
        }
        for place in objects.iter().rev() {
            if self.size <= room {
                break;
            }
            let object = self.object(*place);
            object.left_out = true;
            let freed = object.head.len();
            self.size -= freed;
            left_out += 1;
        }
        for block in self.blocks.iter_mut().rev() {
            if self.size <= room {
                break;
            }
            block.left_out = true;
            self.size -= block.frame();
            blocks += 1;
        }
        let said = [(fields, "field"), (left_out, "object"), (blocks, "group")];
        said.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| counted(count, what)).collect()
    }

    /// The places of all objects, the most important first.
    fn by_importance(&self) -> Vec<(usize, usize, usize)> {
        let mut all: Vec<(Weight, (usize, usize, usize))> = Vec::new();
        for (b, block) in self.blocks.iter().enumerate() {
            for (s, scope) in block.scopes.iter().enumerate() {
                all.extend(scope.objects.iter().enumerate().map(|(o, object)| (object.weight, (b, s, o))));
            }
        }
        all.sort();
        all.into_iter().map(|(_, place)| place).collect()
    }

    fn object(&mut self, (block, scope, object): (usize, usize, usize)) -> &mut Object {
        &mut self.blocks[block].scopes[scope].objects[object]
    }

    pub(super) fn write(&self, out: &mut String) {
        self.blocks.iter().filter(|block| !block.left_out).for_each(|block| block.write(out));
    }
}

impl Scope {
    fn of(scope: &str, actions: &[&PlannedAction], at_risk: &BTreeSet<&Address>) -> Self {
        let places: BTreeSet<&str> = actions.iter().filter_map(|planned| Own::of(planned)?.place).collect();
        let places: String = places.iter().take(2).map(|place| format!(" {}", clean(place))).collect();
        let objects = actions.iter().map(|planned| Object::of(planned, Weight::of(planned, at_risk))).collect();
        Self { title: format!("@@ {} @@{places}\n", clean(scope)), objects }
    }
}

impl Object {
    fn of(planned: &PlannedAction, weight: Weight) -> Self {
        let mut lines = text::action_lines(planned, Options::default(), &Style::PLAIN).into_iter();
        let mut head = lines.next().map(|line| line.to_diff()).unwrap_or_default();
        let own = Own::of(planned).filter(|own| own.name != planned.address.name());
        // These print the whole id below.
        if let Some(own) = own.filter(|_| !matches!(planned.action, Verb::Import | Verb::Forget)) {
            head.push_str(&format!("  named {}", clean(own.name)));
        }
        let mut fields: Vec<String> = Vec::new();
        for line in lines {
            let text = line.to_diff() + "\n";
            match fields.last_mut() {
                Some(field) if line.level > 1 => field.push_str(&text),
                _ => fields.push(text),
            }
        }
        let shown = fields.len();
        Self { weight, head: head + "\n", fields, shown, left_out: false }
    }
}

impl Block {
    fn of(title: String, scopes: Vec<Scope>) -> Self {
        let lines = |scope: &Scope| -> String {
            let objects = scope.objects.iter().flat_map(|object| std::iter::once(&object.head).chain(&object.fields));
            std::iter::once(&scope.title).chain(objects).map(String::as_str).collect()
        };
        let fence = fence(&scopes.iter().map(lines).collect::<String>());
        Self { title, scopes, fence, left_out: false }
    }

    /// Bytes of what is there without any object.
    fn frame(&self) -> usize {
        let titles: usize = self.scopes.iter().map(|scope| scope.title.len()).sum();
        folded(&self.title, &self.fence, "diff", "").len() + titles + NOTE
    }

    fn size(&self) -> usize {
        let object = |object: &Object| object.head.len() + object.fields.iter().map(String::len).sum::<usize>();
        self.frame() + self.scopes.iter().flat_map(|scope| &scope.objects).map(object).sum::<usize>()
    }

    fn write(&self, out: &mut String) {
        let mut content = String::new();
        let (mut fields, mut objects) = (0, 0);
        for scope in &self.scopes {
            content.push_str(&scope.title);
            for object in &scope.objects {
                fields += object.fields.len() - object.shown;
                if object.left_out {
                    objects += 1;
                    continue;
                }
                content.push_str(&object.head);
                content.extend(object.fields[..object.shown].iter().map(String::as_str));
            }
        }
        let left_out = [(fields, "field"), (objects, "object")].into_iter().filter(|(count, _)| *count > 0);
        let left_out: Vec<String> = left_out.map(|(count, what)| counted(count, what)).collect();
        if !left_out.is_empty() {
            content.push_str(&format!("  {} left out\n", left_out.join(" and ")));
        }
        out.push_str(&folded(&self.title, &self.fence, "diff", &content));
    }
}

fn counts(actions: &[&PlannedAction]) -> String {
    let mut parts: Vec<(&str, usize)> = Vec::new();
    for planned in actions {
        let verb = planned.action.word();
        match parts.iter_mut().find(|(known, _)| *known == verb) {
            Some((_, count)) => *count += 1,
            None => parts.push((verb, 1)),
        }
    }
    parts.iter().map(|(verb, count)| format!("{count} to {verb}")).collect::<Vec<_>>().join(", ")
}

/// A folded block around a fence that nothing in it closes. The title is Markdown.
pub(super) fn folded(title: &str, fence: &str, language: &str, content: &str) -> String {
    format!("<details><summary>{title}</summary>\n\n{fence}{language}\n{content}{fence}\n\n</details>\n")
}

/// A folded list of plain sentences.
pub(super) fn folded_list(title: &str, items: &[String]) -> String {
    let items: String = items.iter().map(|item| format!("- {item}\n")).collect();
    format!("<details><summary>{}</summary>\n\n{items}\n</details>\n", html(title))
}
