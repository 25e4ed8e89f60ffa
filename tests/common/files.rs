//! What is done to files of models, whatever they hold: folders that go away, damage, kills.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rand::RngExt;

/// A folder of a test that is removed at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("nflow-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("the temporary folder is writable");
        Self(path)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.file(name), text).expect("the folder is there");
        self.file(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// One to four bytes at random places of a file changed, in a thousand ways, and the file cut at every
/// thousandth byte: `error` gives what loading it says.
pub fn damage_is_told_of(path: &Path, error: impl Fn(&Path) -> String) {
    let whole = fs::read(path).expect("it was just written");
    let mut rng = super::rng(3);
    let says_so = |what: String| {
        let error = error(path);
        assert!(error.contains("damaged") || error.contains("not a file"), "{what}: {error}");
    };
    for variant in 0..1000 {
        let mut changed = whole.clone();
        for _ in 0..rng.random_range(1..=4) {
            let index = rng.random_range(0..whole.len());
            changed[index] = changed[index].wrapping_add(rng.random_range(1..=255));
        }
        if changed != whole {
            fs::write(path, &changed).expect("the folder is there");
            says_so(format!("variant {variant}"));
        }
    }
    for length in (0..whole.len()).step_by(1000) {
        fs::write(path, &whole[..length]).expect("the folder is there");
        says_so(format!("{length} bytes"));
    }
}

/// In the environment of a process that saves until it is killed: where to.
const SAVE_INTO: &str = "NORMALIZING_FLOWS_TEST_SAVE_INTO";
/// There if it starts with the second of its two models.
const SAVE_FIRST: &str = "NORMALIZING_FLOWS_TEST_SAVE_FIRST";

/// Where this process saves until it is killed, and the model that it starts with, if it does.
pub fn saves_until_killed() -> Option<(PathBuf, usize)> {
    let path = std::env::var_os(SAVE_INTO)?;
    Some((path.into(), usize::from(std::env::var_os(SAVE_FIRST).is_some())))
}

/// Starts this very test a hundred times as a process that saves two models in turns, kills each while
/// it saves, and gives which of the two `loaded` finds in the file.
pub fn kill_while_saving(test: &str, path: &Path, mut loaded: impl FnMut() -> usize) {
    let itself = std::env::current_exe().expect("a test has a path");
    let modified = || fs::metadata(path).and_then(|file| file.modified()).ok();
    let mut rng = super::rng(4);
    let mut n_seen = [0, 0];
    for kill in 0..100 {
        let written = modified();
        let mut child = Command::new(&itself)
            .args(["--exact", test])
            .env(SAVE_INTO, path)
            .envs((kill % 2 == 1).then_some((SAVE_FIRST, "the second")))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the test runs itself");
        // Until it saves, and then a while.
        for _ in 0..10_000 {
            if modified() != written {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_micros(rng.random_range(0..5000)));
        child.kill().expect("it saves until it is killed");
        child.wait().expect("it was started");
        n_seen[loaded()] += 1;
    }
    assert!(n_seen.iter().all(|&n| n > 0), "both were seen: {n_seen:?}");
}
