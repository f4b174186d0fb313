//! Data of which nobody knows what it was: no empty one is made in its place before somebody says so, whatever is approved.

use serde_json::{Value, json};

use crate::clusters::Site;
use crate::disks::OUTSIDE;
use crate::harness::project::Project;
use crate::harness::run::Finished;
use crate::harness::wait_for;
use crate::review::type_printed;

const DISK: &str = "disk/default";

impl Site {
    /// Every disk there is.
    fn disks(&self) -> Vec<String> {
        let subscription = OUTSIDE.split("/resourceGroups/").next().unwrap();
        let list = format!("{subscription}/providers/Microsoft.Compute/disks");
        let list = self.cloud.arm("GET", &list, &Value::Null).json();
        list["value"].as_array().unwrap().iter().map(|disk| disk["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Loses the state and makes it again; gives what was told.
    fn rebuilt(&self) -> Value {
        std::fs::remove_dir_all(self.project.root().join(".kompox/state")).unwrap();
        self.run(&["--json", "state", "rebuild", "--auto-approve"]).done().json()
    }

    /// The plan stops with this code, and so does the apply, which makes no disk. Gives what the plan says.
    #[track_caller]
    fn stops(&self, code: &str) -> Finished {
        let before = self.disks();
        let applied = self.run(&["apply", "--auto-approve"]).exits(1).errors();
        assert!(applied.contains(&format!("error[{code}]")), "{applied}");
        assert_eq!(self.disks(), before);
        self.run(&["plan"]).exits(1)
    }
}

/// A name for another disk outside.
fn outside(name: &str) -> String {
    OUTSIDE.replace("gitea-data", name)
}

#[test]
fn of_two_disks_that_may_be_it_somebody_says_which() {
    let site = Site::new();
    site.cloud.make_disk(OUTSIDE, "1");
    site.run(&["import", DISK, OUTSIDE]).done();
    site.run(&["apply", "--auto-approve"]).done();
    // As a restore does that takes the tags along.
    let tags = site.cloud.arm("GET", OUTSIDE, &Value::Null).json()["tags"].take();
    let copy = outside("gitea-copy");
    site.cloud.make_disk(&copy, "1");
    site.cloud.arm("PATCH", &copy, &json!({"tags": tags})).json();
    let told = site.rebuilt();
    let left: Vec<&str> = told["left"].as_array().unwrap().iter().map(|left| left["id"].as_str().unwrap()).collect();
    assert!(left.contains(&OUTSIDE) && left.contains(&copy.as_str()), "{told:#}");
    let lost = told["lost"].as_array().unwrap();
    assert!(lost.len() == 1 && lost[0].as_str().unwrap().ends_with(DISK) && told["next_plan"].is_null(), "{told:#}");
    let listed = site.run(&["state", "list", DISK]).done();
    assert!(listed.stdout.contains("(a lost state knew)"), "{}", listed.stdout);
    site.run(&["state", "show", DISK]).done().says(&["id: null", "lost: true"]);
    site.run(&["state", "verify", "--online"]).exits(1).says(&["a state that was lost may have known data here"]);

    let plan = site.stops("data-lost").says(&["may be any of these", OUTSIDE, &copy]);
    type_printed(&site.project, &plan, "gitea-copy").done();
    let next = site.run(&["plan"]).done();
    assert!(next.stdout.contains("handle gitea-copy") && !next.stdout.contains("+ disk/"), "{}", next.stdout);
    let shown = site.run(&["state", "show", DISK]).done().says(&["gitea-copy"]);
    assert!(!shown.stdout.contains("lost"), "{}", shown.stdout);
}

#[test]
fn a_disk_that_is_not_there_is_made_anew_only_when_somebody_says_so() {
    let site = Site::new();
    site.run(&["apply", "--auto-approve", "--target", DISK]).done();
    let disk = site.disks().remove(0);
    site.cloud.arm("DELETE", &disk, &Value::Null);
    wait_for("the disk to go", || site.disks().is_empty().then_some(()));
    let told = site.rebuilt();
    assert_eq!((told["lost"].as_array().unwrap().len(), &told["next_plan"]), (1, &Value::Null), "{told:#}");
    site.stops("data-lost").says(&["may have existed", "import /ws/"]);
    // Neither looking nor a nightly job forgets the question.
    site.run(&["plan", "--refresh-only"]).exits(0);
    type_printed(&site.project, &site.stops("data-lost"), "state rm").done();
    let next = site.run(&["plan", "--target", DISK]).done();
    assert!(next.stdout.contains("+ disk/default"), "{}", next.stdout);
}

/// A disk with a name of its own that a command imported is found where it is, too.
#[test]
fn a_declared_disk_that_a_command_imported_is_found_where_it_is() {
    let site = Site::new();
    let disks = "    - name: default\n      disks: [{name: blue}]\n      assigned: blue\n";
    site.project.edit("kompoxapp.yml", "    - name: default\n", disks);
    site.cloud.make_disk(OUTSIDE, "1");
    site.run(&["import", "disk/default.blue", OUTSIDE]).done();
    site.run(&["apply", "--auto-approve"]).done();
    let told = site.rebuilt();
    assert_eq!((&told["lost"], &told["missing"], &told["next_plan"]), (&json!([]), &json!([]), &json!(0)), "{told:#}");
    site.run(&["state", "show", "disk/default.blue"]).done().says(&[OUTSIDE, "adopted: true"]);
}

/// What was imported from elsewhere, and forgotten since, is not replaced by an empty one.
#[test]
fn a_disk_that_was_forgotten_elsewhere_is_adopted_again_or_left() {
    let site = Site::new();
    site.cloud.make_disk(OUTSIDE, "1");
    site.run(&["import", DISK, OUTSIDE]).done();
    site.run(&["apply", "--auto-approve"]).done();
    site.run(&["destroy", "--auto-approve"]).done();
    let plan = site.stops("exists").says(&["not where kompox makes one", OUTSIDE]);
    type_printed(&site.project, &plan, "gitea-data").done();
    site.run(&["apply", "--auto-approve"]).done();
    assert_eq!(site.disks(), [OUTSIDE]);
}

/// What the state knows, and is gone, is restored under another id and adopted in one step: no apply comes in between.
#[test]
fn a_disk_that_is_gone_gives_way_to_the_one_that_was_restored() {
    let site = Site::new();
    site.run(&["apply", "--auto-approve", "--target", DISK]).done();
    let disk = site.disks().remove(0);
    site.cloud.make_disk(OUTSIDE, "1");
    let there = site.run(&["import", DISK, OUTSIDE]).exits(1).errors();
    assert!(there.contains("error[recorded]"), "as long as it is there: {there}");
    site.cloud.arm("DELETE", &disk, &Value::Null);
    wait_for("the disk to go", || (site.disks() == [OUTSIDE]).then_some(()));
    let plan = site.stops("data-gone");
    let line = plan.stderr.lines().find_map(|line| line.split_once("adopt it:  kompox ")).unwrap().1;
    let words: Vec<&str> = line.split(' ').map(|word| if word == "<id>" { OUTSIDE } else { word }).collect();
    site.project.run_as_is(&words).done();
    let next = site.run(&["plan", "--target", DISK]).done();
    assert!(!next.stdout.contains("+ disk/"), "{}", next.stdout);
    site.run(&["state", "show", DISK]).done().says(&[OUTSIDE, "adopted: true"]);
}

/// As long as nobody says which disk it is, nothing is advised about what leads to it.
#[test]
fn what_leads_to_a_disk_is_no_second_problem() {
    let project = Project::gitea_applied();
    project.run(&["state", "rm", DISK]).done();
    let plan = project.run(&["plan"]).exits(1);
    assert!(plan.stderr.contains("error[exists]") && plan.stderr.ends_with("1 error\n"), "{}", plan.stderr);
    type_printed(&project, &plan, "import").done();
    project.run(&["plan", "--detailed-exitcode"]).done();
}

/// Whoever took the tags off: nothing is changed before somebody says whose it is, and the printed line leads out.
#[test]
fn a_disk_without_its_tags_is_adopted_again_as_printed() {
    let site = Site::new();
    site.run(&["apply", "--auto-approve", "--target", DISK]).done();
    let disk = site.disks().remove(0);
    site.cloud.drift(&disk, &json!({"tags": null}));
    let plan = site.stops("foreign").says(&["does not carry the mark of this state any more"]);
    type_printed(&site.project, &plan, "import").done();
    site.run(&["apply", "--auto-approve", "--target", DISK]).done();
    site.run(&["plan", "--detailed-exitcode", "--target", DISK]).done();
    assert_eq!(site.disks(), [disk]);
}

#[test]
fn a_disk_that_is_declared_no_more_is_carried_over_as_printed() {
    let site = Site::new();
    let declared = "size: 10Gi\n      assigned: blue\n      disks: [{name: blue}]";
    site.project.edit("kompoxapp.yml", "size: 10Gi", declared);
    site.run(&["apply", "--auto-approve", "--target", "disk/default.blue"]).done();
    let disks = site.disks();
    site.project.edit("kompoxapp.yml", declared, "size: 10Gi");
    let plan = site.stops("exists").says(&["disk/default.blue, which no manifest names any more"]);
    type_printed(&site.project, &plan, "state mv").done();
    site.run(&["apply", "--auto-approve", "--target", DISK]).done();
    site.run(&["plan", "--detailed-exitcode", "--target", DISK]).done();
    assert_eq!(site.disks(), disks);
}
