//! The stable names of what a plan says, for machines: gates in CI read these and not the words. `docs/plan.md` lists them.

/// Writes an enum of codes with their names, so that no list of them can lack one.
macro_rules! codes {
    ($(#[$about:meta])* $name:ident { $($(#[$what:meta])* $code:ident = $text:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$what])* $code,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$code),+];

            /// The name, in kebab-case.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$code => $text,)+
                }
            }
        }

        impl From<$name> for std::borrow::Cow<'static, str> {
            fn from(code: $name) -> Self {
                Self::Borrowed(code.as_str())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(super) use codes;

codes! {
    /// Why there is no plan, or why a saved one does not hold any more.
    ProblemCode {
        /// An object that kompox did not make would have to be replaced.
        AdoptedReplaced = "adopted-replaced",
        /// What holds data was deleted and made anew, or nobody can tell.
        AnotherObject = "another-object",
        /// An object would move from one API to another.
        AnotherPlace = "another-place",
        /// An import would have to change what cannot change.
        CannotBecome = "cannot-become",
        /// The API refuses a change.
        ChangeRefused = "change-refused",
        /// Another writer owns fields.
        Conflict = "conflict",
        /// What holds data is being deleted.
        DataEnding = "data-ending",
        /// What holds data is gone.
        DataGone = "data-gone",
        /// A state that was lost may have known data here, and nobody said what becomes of it.
        DataLost = "data-lost",
        /// Data would be deleted, and nobody named its loss.
        DataLoss = "data-loss",
        /// What exists may hold data, and nobody adopted it.
        Exists = "exists",
        /// What should be there already is not.
        ExistingMissing = "existing-missing",
        /// What exists is not ours.
        Foreign = "foreign",
        /// A container would be replaced with everything in it.
        HoldsOthers = "holds-others",
        /// There is nothing to import, or it cannot be looked at.
        ImportMissing = "import-missing",
        /// Data would have two users.
        InUse = "in-use",
        /// A lock that stays refuses it.
        Locked = "locked",
        /// Two records would become one.
        Merged = "merged",
        /// What was named is nothing to import.
        NotImportable = "not-importable",
        /// It belongs to another state.
        OtherState = "other-state",
        /// Another object would be read in place of one that kompox made.
        OtherRead = "other-read",
        /// Its protection forbids it.
        Protected = "protected",
        /// Its replacement would lose data, or it is in use.
        ReplacementRefused = "replacement-refused",
        /// The server refuses it.
        ServerRefuses = "server-refuses",
        /// Data would have two addresses.
        TwoAddresses = "two-addresses",
        /// The state holds a kind that this version does not know.
        UnknownKind = "unknown-kind",
        /// It cannot be read.
        Unreadable = "unreadable",
        /// Changes wait for each other.
        WaitsForItself = "waits-for-itself",
        /// The saved plan was made for another state.
        PlanOfOtherState = "plan-of-other-state",
        /// The saved plan was made by another version.
        PlanOfOtherVersion = "plan-of-other-version",
        /// An input changed since the plan was saved.
        InputChanged = "input-changed",
        /// An object or its record changed since the plan was saved.
        PlanOutdated = "plan-outdated",
    }
}

codes! {
    /// What a reviewer must see first. Kinds have more of them, for what goes with their objects
    /// ([`Loss`](super::kind::Loss)).
    DangerCode {
        /// Nobody chose the cluster that the plan is for.
        ContextUnnamed = "context-unnamed",
        /// Data is deleted.
        DataDeleted = "data-deleted",
        /// What is no longer wanted will be deleted.
        DeletionPolicy = "deletion-policy",
        /// A change stops other things.
        Disturbed = "disturbed",
        /// A workload is forgotten, and may run on.
        GivenUp = "given-up",
        /// A field stays as it is.
        Left = "left",
        /// A part would go on with a copy, without what was written since.
        OlderData = "older-data",
        /// Anybody can reach something.
        Opened = "opened",
        /// A rule of the team's policy forbids the plan.
        PolicyDenied = "policy-denied",
        /// A part may do more than before.
        Privileged = "privileged",
        /// Protection no longer holds from the next plan on.
        ProtectionLifted = "protection-lifted",
        /// A part would not find its data.
        StartsEmpty = "starts-empty",
        /// The state is an older or another copy of the one that was last written from here.
        StateBehind = "state-behind",
    }
}

codes! {
    /// What a reviewer may want to know.
    NoteCode {
        /// Which cluster the state will know from now on.
        ClusterFound = "cluster-found",
        /// Another version of a program would read the data.
        DataVersion = "data-version",
        /// What is wanted is being deleted, and made anew after that.
        Ending = "ending",
        /// A workload waits for another one's data.
        Handover = "handover",
        /// A host is answered no longer.
        HostRemoved = "host-removed",
        /// An earlier apply was interrupted.
        Interrupted = "interrupted",
        /// Data is kept that the state forgets.
        Kept = "kept",
        /// The manifests are those of another revision.
        Revision = "revision",
        /// A rule of the team's policy warns of the plan.
        PolicyWarned = "policy-warned",
        /// A disk is to be a folder of a node.
        LocalDisk = "local-disk",
        /// Objects are taken as the state knows them.
        Unreadable = "unreadable",
    }
}
