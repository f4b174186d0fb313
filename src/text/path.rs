//! Paths with `/` between their steps, as texts.

/// Whether a path is another one or lies in it. The empty path holds all; slashes at the end mean nothing.
pub fn holds(outer: &str, inner: &str) -> bool {
    let (outer, inner) = (outer.trim_end_matches('/'), inner.trim_end_matches('/'));
    let rest = inner.strip_prefix(outer);
    rest.is_some_and(|rest| outer.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

/// Whether one of two paths holds the other.
pub fn overlap(one: &str, other: &str) -> bool {
    holds(one, other) || holds(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_steps_count() {
        for (outer, inner) in [("", "a"), ("/", "/a"), ("a", "a/"), ("a/", "a/b"), ("/a", "/a/b/c")] {
            assert!(holds(outer, inner) && overlap(inner, outer), "{outer} {inner}");
        }
        for (outer, inner) in [("a", "ab"), ("a/b", "a"), ("/a", "a")] {
            assert!(!holds(outer, inner), "{outer} {inner}");
        }
        assert!(!overlap("a/b", "a/c"));
    }
}
