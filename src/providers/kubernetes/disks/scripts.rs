//! What the Pods that work on folders run, in the shell of an image with GNU coreutils and `flock`. Everything that differs
//! comes in as a variable.

/// The file in a folder that says which one it is. Nothing that a compose file mounts is the folder's root.
pub(super) const MARKER_FILE: &str = ".kompox";

/// Makes a folder under another name, from nothing or as a copy, and renames it when it is whole and on the disk. A folder
/// that is there is the same one, made by an earlier try, or somebody's.
///
/// A copy is taken while nobody holds the lock that the Pods of apps hold on the disks they use; who comes meanwhile waits.
pub(super) const MAKE: &str = r#"set -eu
cd /kompox
mkdir -p "$SHELF"
if [ -e "$SHELF/$NAME" ] || [ -L "$SHELF/$NAME" ]; then
  [ "$(cat "$SHELF/$NAME/$FILE" 2>/dev/null)" != "$MARKER" ] || exit 0
  echo "there is a folder of that name already, and it is another one"
  exit 1
fi
new="$SHELF/.$NAME.new"
rm -rf "$new"
if [ -z "$SOURCE" ]; then
  mkdir "$new"
else
  case "$(cat "$SOURCE/$FILE" 2>/dev/null)" in
    *"disk $SOURCE_MARKER") ;;
    *) echo "$SOURCE is not there, or it is another folder than the one that was recorded"; exit 1 ;;
  esac
  exec 9<"$SOURCE"
  flock 9
  need=$(du -s --block-size=1K "$SOURCE" | cut -f 1)
  free=$(df --output=avail --block-size=1K "$SHELF" | tail -n 1 | tr -d ' ')
  if [ "$need" -ge "$free" ]; then
    echo "a copy needs $need KiB, and $free KiB are free"
    exit 1
  fi
  cp -a --reflink=auto "$SOURCE" "$new"
fi
printf %s "$MARKER" > "$new/$FILE"
sync
mv -T "$new" "$SHELF/$NAME"
sync
"#;

/// Puts a folder away, where the command that brings it back finds it. One that is away already is as good.
pub(super) const PUT_AWAY: &str = r#"set -eu
cd /kompox
if [ ! -e "$SHELF/$NAME" ] && [ -d "deleted/$AWAY" ]; then
  exit 0
fi
case "$(cat "$SHELF/$NAME/$FILE" 2>/dev/null)" in
  *"disk $MARKER") ;;
  *) echo "$SHELF/$NAME is not there, or it is another folder than the one that was recorded"; exit 1 ;;
esac
exec 9<"$SHELF/$NAME"
if ! flock -n 9; then
  echo "a container still uses it"
  exit 1
fi
mkdir -p deleted
mv -T "$SHELF/$NAME" "deleted/$AWAY"
sync
"#;

/// Brings a folder back that was put away, or is about to be. One that is in its place is as good.
pub(super) const BRING_BACK: &str = r#"set -eu
cd /kompox
is_it() {
  case "$(cat "$1/$FILE" 2>/dev/null)" in
    *"disk $MARKER") ;;
    *) return 1 ;;
  esac
}
if is_it "$SHELF/$NAME"; then
  exit 0
fi
if [ -e "$SHELF/$NAME" ] || ! is_it "deleted/$AWAY"; then
  echo "$SHELF/$NAME is not there, and neither is deleted/$AWAY; or it is another folder than the one that was recorded"
  exit 1
fi
mv -T "deleted/$AWAY" "$SHELF/$NAME"
sync
"#;

/// Says which folder it is.
pub(super) const LOOK: &str = r#"set -eu
cd /kompox
if [ ! -d "$SHELF/$NAME" ]; then
  echo "there is no folder $SHELF/$NAME"
  exit 1
fi
if [ ! -s "$SHELF/$NAME/$FILE" ]; then
  echo "the folder $SHELF/$NAME carries no mark of kompox"
  exit 1
fi
cat "$SHELF/$NAME/$FILE" > /dev/termination-log
"#;

/// The text of a marker.
pub(super) fn marker(lineage: &str, marker: &str) -> String {
    format!("lineage {lineage}\ndisk {marker}")
}

/// The lineage and the random part of a marker.
pub(super) fn read_marker(text: &str) -> Option<(&str, &str)> {
    let (lineage, marker) = text.trim().strip_prefix("lineage ")?.split_once("\ndisk ")?;
    (!lineage.is_empty() && !marker.is_empty() && !marker.contains(char::is_whitespace)).then_some((lineage, marker))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_reads_back() {
        assert_eq!(read_marker(&marker("l", "m")), Some(("l", "m")));
        for wrong in ["", "lineage l", "lineage \ndisk m", "lineage l\ndisk ", "lineage l\ndisk a b"] {
            assert_eq!(read_marker(wrong), None, "{wrong:?}");
        }
    }
}
