//! A file whose content is a number, which the program writes again and again.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Source;
use super::count::{Count, number};

/// A number is no longer than this.
const LONGEST: u64 = 256;
/// `O_NONBLOCK`: a FIFO that nobody writes to holds nobody up.
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

/// The number in a file.
#[derive(Debug)]
pub(super) struct Number {
    path: PathBuf,
    count: Count,
}

impl Number {
    pub(super) fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), count: Count::default() }
    }

    fn read(&self) -> std::io::Result<String> {
        let file = File::options().read(true).custom_flags(NONBLOCK).open(&self.path)?;
        let mut text = String::new();
        file.take(LONGEST).read_to_string(&mut text)?;
        Ok(text)
    }
}

impl Source for Number {
    fn more(&mut self) -> Result<f64, String> {
        let path = self.path.display();
        let text = self.read().map_err(|error| format!("cannot read {path}: {error}"))?;
        // Just being written, it is empty for a moment.
        let value = number(&text).ok_or_else(|| {
            format!("{path} holds no number but `{}`", scupper_model::printable(text.trim().as_bytes(), 40))
        })?;
        Ok(self.count.more(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_file_is_followed_through_its_rewriting() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("done");
        let mut number = Number::of(&path);
        assert!(number.more().unwrap_err().contains("cannot read"));
        let mut more = |text: &str| {
            std::fs::write(&path, text).unwrap();
            number.more()
        };
        assert_eq!(more("3\n"), Ok(3.0));
        assert!(more("").unwrap_err().contains("holds no number"));
        assert!(more("many\u{7}").is_err());
        assert_eq!(more("10"), Ok(7.0));
        assert_eq!(more("2"), Ok(2.0));
    }
}
