//! What one line of a job's output says about its epochs.
//!
//! A user's own pattern with the groups `epoch` and, optionally, `total` stands alone where there is one. Otherwise the
//! forms are those of `forms`, one small recogniser each, and, where none fits, everything that names an epoch by number:
//! `Epoch 3/90`, `Epoch [3/90]`, `epoch: 3 of 90`, `Epoch: [3][ 10/5005]`, `Train Epoch: 3 [640/60000 (1%)]`, Keras'
//! headers, the bars of tqdm and Lightning (`Epoch 3:  45%|…| 10/22`). Prose that mentions an epoch ("resumed from epoch
//! 3") says nothing.
//!
//! Most lines say nothing of epochs, so each is first looked at for the words that any form has: that costs less than
//! reading it from the file did.
//!
//! What a line says is a [`Finding`]; what findings together mean is decided in `epochs`.
//!
//! Apart from the output, a job may append JSON lines to `$LOWTIDE_REPORT`. These say it outright:
//! `{"epoch": 3, "epochs": 90}` means that epoch 3 of 90 has ended (`epochs` may be left out), and
//! `{"event": "epoch-start", "epoch": 3}` that epoch 3 begins.

mod forms;

use regex::bytes::{Captures, Regex, RegexBuilder};
use serde::Deserialize;

use forms::Forms;

/// Epochs above this are no epochs, but other numbers that happen to follow the word.
const HIGHEST_EPOCH: u32 = 9_999_999;

/// How much memory a pattern of the user's may take.
const PATTERN_LIMIT: usize = 1 << 20;

/// What a line says of an epoch, as the job counts: from 0 or from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Its number.
    pub(crate) epoch: u32,
    /// How many there are, or the number of the last.
    pub(crate) total: Option<u32>,
    /// What about it.
    pub(crate) meaning: Meaning,
    /// Jobs that mark epochs in this form count from 0. For those that go on from a checkpoint and never show epoch 0.
    pub(crate) from_zero: bool,
}

/// What a mark says of its epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It begins, or has ended: a bare header does not tell.
    Header,
    /// It runs.
    Running,
    /// It has ended.
    Ended,
    /// So many epochs have ended, whatever the job counts from: fractions of the Trainer, bars over epochs.
    Completed,
    /// That many have ended, and the next one runs.
    RunningAfter,
}

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Something of one epoch.
    Mark(Mark),
    /// So many steps are done, of so many if the line says so. Whether of the training or of an epoch, it does not.
    Steps {
        /// Done.
        done: u32,
        /// Of.
        total: Option<u32>,
    },
    /// A bar of steps as Keras draws them below the header of an epoch: `22/22 [====] - 5s`.
    StepBar,
    /// So many epochs there will be, as the settings say that a job prints.
    Epochs(u32),
    /// So many steps.
    TotalSteps(u32),
    /// A framework that counts from 0 has introduced itself.
    FromZero,
}

/// Recognises what lines say.
#[derive(Debug)]
pub(crate) struct Recogniser {
    forms: Forms,
    epoch: Regex,
    within: Regex,
    percentage: Regex,
    count: Regex,
    result: Regex,
    begins: Regex,
    own: Option<Regex>,
}

impl Recogniser {
    /// With the user's pattern, if there is one. If that is no pattern, the second value says so, and the common forms
    /// are recognised.
    pub(crate) fn new(own: Option<&str>) -> (Self, Option<String>) {
        let (own, fault) = match own.map(own_pattern) {
            None => (None, None),
            Some(Ok(pattern)) => (Some(pattern), None),
            Some(Err(fault)) => (None, Some(fault)),
        };
        let recogniser = Self {
            forms: Forms::new(),
            epoch: fixed(
                r"(?i)(?:^|[^a-z0-9_])epoch(?-i:[ \t]*[:=#]?[ \t]*)[\[(]?[ \t]*(?P<epoch>\d+)(?P<fraction>\.\d+)?(?:[ \t]*(?:/|of)[ \t]*(?P<total>\d+))?[\])]?",
            ),
            within: fixed(
                r"(?i)%\s*\||\xe2\x94\x81|[\[(][ \t]*\d+[ \t]*/[ \t]*\d+|^[ \t:|,;-]*\d+[ \t]*/[ \t]*\d+|\b(?:steps?|batch|mini-?batch|iters?|iteration|it)\b[ \t:=#\[(]*\d",
            ),
            percentage: fixed(r"(?:^|[^0-9.])(?P<percent>\d{1,3}(?:\.\d+)?)%(?:\s*\||\s*\)|\s*\xe2)"),
            count: fixed(r"(?:^|[^0-9./])(?P<done>\d{1,9})[ \t]*/[ \t]*(?P<total>\d{1,9})(?:[^0-9./]|$)"),
            result: fixed(
                r"(?i)[a-z%)][ \t]*[:=][ \t]*[-+]?(?:\d|\.\d|nan|inf)|\b(?:loss|acc|accuracy|error|auc|f1|mae|mse|rmse|bleu|ppl|perplexity|iou|miou|map)\b\W{0,3}\d|\b(?:done|finished|completed?|ended|took)\b|\d[ \t]*(?:s|sec|secs|seconds|ms|min)\b",
            ),
            begins: fixed(r"(?i)\b(?:start|starts|starting|started|begin|begins|beginning)\b"),
            own,
        };
        (recogniser, fault)
    }

    /// What the line says, if it says anything of epochs.
    pub(crate) fn look(&self, line: &[u8]) -> Option<Finding> {
        if let Some(own) = &self.own {
            let found = own.captures(line)?;
            return Some(Finding::Mark(Mark {
                epoch: number(&found, "epoch")?,
                total: number_if_named(&found, "total"),
                meaning: self.meaning(before(line, &found), after(line, &found)),
                from_zero: false,
            }));
        }
        if !self.forms.may_fit(line) {
            return None;
        }
        let mark = self.forms.mark(line).or_else(|| self.named(line));
        mark.map(Finding::Mark).or_else(|| self.forms.other(line))
    }

    /// How far the epoch is that a line shows as running, in twentieths: finer steps would have every redrawing of a bar
    /// looked at. A percentage before a bar or in brackets, else the last count of a total.
    pub(crate) fn share(&self, line: &[u8]) -> Option<u8> {
        let of = |found: &Captures<'_>, group: &str| {
            std::str::from_utf8(found.name(group)?.as_bytes()).ok()?.parse::<f64>().ok()
        };
        let after = self.epoch.captures(line).map_or(line, |found| after(line, &found));
        let share = match self.percentage.captures(after) {
            Some(found) => of(&found, "percent")? / 100.0,
            None => {
                let found = self.count.captures_iter(after).last()?;
                of(&found, "done")? / of(&found, "total").filter(|total| 1.0 < *total)?
            }
        };
        twentieths(share)
    }

    /// An epoch that is named by its number.
    fn named(&self, line: &[u8]) -> Option<Mark> {
        let found = self.epoch.captures(line)?;
        let (before, after) = (before(line, &found), after(line, &found));
        // `loaded checkpoint 'best.pt' (epoch 12)`; but a line may begin with `(epoch: 3, iters: 100, …)`.
        let in_passing = found[0].starts_with(b"(") && before.iter().any(u8::is_ascii_alphanumeric);
        if in_passing || forms::only_mentions(before, after) {
            return None;
        }
        if found.name("fraction").is_some() {
            return completed(&found);
        }
        let meaning = self.meaning(before, after);
        let total = number_if_named(&found, "total");
        Some(Mark { epoch: number(&found, "epoch")?, total, meaning, from_zero: false })
    }

    fn meaning(&self, before: &[u8], after: &[u8]) -> Meaning {
        let begins = || self.begins.is_match(after) || self.begins.is_match(before);
        if self.within.is_match(after) || begins() {
            Meaning::Running
        } else if self.result.is_match(&without_learning_rate(after)) || ends(before) {
            Meaning::Ended
        } else {
            Meaning::Header
        }
    }
}

/// What a line of `$LOWTIDE_REPORT` says. What is none of the two forms says nothing.
pub(crate) fn reported(line: &[u8]) -> Option<Mark> {
    #[derive(Deserialize)]
    struct Line {
        epoch: u32,
        epochs: Option<u32>,
        event: Option<String>,
    }
    let Line { epoch, epochs, event } = serde_json::from_slice(line).ok()?;
    let meaning = match event.as_deref() {
        Some("epoch-start") => Meaning::Running,
        None | Some("epoch" | "epoch-end") => Meaning::Ended,
        Some(_) => return None,
    };
    (epoch <= HIGHEST_EPOCH).then_some(Mark {
        epoch,
        total: epochs.filter(|total| *total > 0),
        meaning,
        from_zero: false,
    })
}

fn fixed(pattern: &str) -> Regex {
    // Bytes, not characters: output need not be UTF-8, and tables of Unicode would be most of the agent's memory.
    let mut builder = RegexBuilder::new(pattern);
    builder.unicode(false).dfa_size_limit(256 << 10);
    builder.build().expect("a fixed pattern, compiled by every test")
}

fn own_pattern(pattern: &str) -> Result<Regex, String> {
    let build = |unicode: bool| {
        let mut builder = RegexBuilder::new(pattern);
        builder.unicode(unicode).size_limit(PATTERN_LIMIT).dfa_size_limit(PATTERN_LIMIT).build()
    };
    // What needs tables of Unicode that are not built in, such as `(?i)`, is meant for ASCII in nearly all logs.
    let regex = build(true).or_else(|_| build(false)).map_err(|error| {
        format!("the pattern for epochs `{pattern}` is not a regular expression ({error}); looking for the common forms instead")
    })?;
    if regex.capture_names().flatten().any(|name| name == "epoch") {
        Ok(regex)
    } else {
        Err(format!(
            "the pattern for epochs `{pattern}` has no group `(?P<epoch>\\d+)`; looking for the common forms instead"
        ))
    }
}

/// A part of an epoch, in whole twentieths; of less and of all of it nothing is said.
pub(crate) fn twentieths(share: f64) -> Option<u8> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to 19")]
    (0.05..1.0).contains(&share).then_some((share * 20.0) as u8)
}

fn number(found: &Captures<'_>, group: &str) -> Option<u32> {
    let text = std::str::from_utf8(found.name(group)?.as_bytes()).ok()?;
    text.trim().parse().ok().filter(|number| *number <= HIGHEST_EPOCH)
}

/// A whole number of epochs has ended; with a fraction the next one runs.
fn completed(found: &Captures<'_>) -> Option<Mark> {
    let whole = found.name("fraction").is_none_or(|digits| digits.as_bytes()[1..].iter().all(|digit| *digit == b'0'));
    let meaning = if whole { Meaning::Completed } else { Meaning::RunningAfter };
    let total = number_if_named(found, "total");
    Some(Mark { epoch: number(found, "epoch")?, total, meaning, from_zero: false })
}

fn number_if_named(found: &Captures<'_>, group: &str) -> Option<u32> {
    found.name(group).and_then(|_| number(found, group))
}

fn before<'l>(line: &'l [u8], found: &Captures<'_>) -> &'l [u8] {
    found.get(0).map_or(&[], |whole| &line[..whole.start()])
}

fn after<'l>(line: &'l [u8], found: &Captures<'_>) -> &'l [u8] {
    found.get(0).map_or(&[], |whole| &line[whole.end()..])
}

/// `Finished epoch 3`, `End of epoch 3`: words before the number that say it is over.
fn ends(before: &[u8]) -> bool {
    let last = before.rsplit(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    last.take(2).any(|word| {
        ["finished", "completed", "end", "ended", "done"]
            .iter()
            .any(|ending| word.eq_ignore_ascii_case(ending.as_bytes()))
    })
}

/// A learning rate is known before an epoch begins: it is no result of one.
fn without_learning_rate(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let kept: Vec<&str> = text
        .split([',', '|', ';'])
        .flat_map(|part| part.split("  "))
        .filter(|part| {
            let key = part.split([':', '=']).next().unwrap_or("").trim().to_ascii_lowercase();
            let key = key.trim_matches(|c: char| !c.is_ascii_alphanumeric());
            !matches!(key, "lr" | "learning rate" | "learning_rate")
        })
        .collect();
    kept.join(" , ").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(line: &str) -> Option<(u32, Option<u32>, Meaning)> {
        let (recogniser, fault) = Recogniser::new(None);
        assert_eq!(fault, None);
        match recogniser.look(line.as_bytes())? {
            Finding::Mark(Mark { epoch, total, meaning, .. }) => Some((epoch, total, meaning)),
            _ => None,
        }
    }

    #[test]
    fn common_forms_are_recognised() {
        use Meaning::{Completed, Ended, Header, Running, RunningAfter};
        for (line, expected) in [
            ("Epoch 3/90", (3, Some(90), Header)),
            ("Epoch [3/90]", (3, Some(90), Header)),
            ("epoch: 3/90", (3, Some(90), Header)),
            ("Epoch 3", (3, None, Header)),
            ("EPOCH #3 of 90", (3, Some(90), Header)),
            ("=== Epoch 3 ===", (3, None, Header)),
            ("2026-01-01 12:00:00,123 INFO: Epoch 3/90", (3, Some(90), Header)),
            ("Epoch 3/90, lr: 0.001", (3, Some(90), Header)),
            ("Epoch 3/90 - loss: 0.31 - val_loss: 0.4", (3, Some(90), Ended)),
            ("Epoch [3/90], Loss: 0.3123", (3, Some(90), Ended)),
            ("Epoch 3: train_loss=0.31", (3, None, Ended)),
            ("epoch 003 | loss 2.345 | ppl 12.1", (3, None, Ended)),
            ("Epoch 3 took 12.5s", (3, None, Ended)),
            ("Epoch 3 (12.5 s)", (3, None, Ended)),
            ("Finished epoch 3", (3, None, Ended)),
            ("Epoch 3 finished", (3, None, Ended)),
            ("Epoch 3 loss: nan", (3, None, Ended)),
            ("Starting epoch 3/90", (3, Some(90), Running)),
            ("Epoch: [3][ 100/5005]\tTime 0.1 (0.2)\tLoss 6.9", (3, None, Running)),
            ("Train Epoch: 3 [640/60000 (1%)]\tLoss: 2.3", (3, None, Running)),
            ("Epoch 3:  45%|####5     | 10/22 [00:03<00:04, loss=0.31]", (3, None, Running)),
            ("Epoch 3/90:  45%|####5     | 10/22", (3, Some(90), Running)),
            ("epoch 003:    100 / 3000 loss=2.3", (3, None, Running)),
            ("Epoch 3, step 100, loss: 0.2", (3, None, Running)),
            ("(epoch: 3, iters: 100, time: 0.5, data: 0.1) G_GAN: 0.9", (3, None, Running)),
            ("{'loss': 2.1, 'learning_rate': 5e-05, 'epoch': 2.67}", (2, None, RunningAfter)),
            ("{'loss': 2.1, 'epoch': 3.0}", (3, None, Completed)),
            ("{'loss': '2.1', 'epoch': '3'}", (3, None, Completed)),
            ("Epochs:  30%|###       | 3/10 [00:04<00:10]", (3, Some(10), RunningAfter)),
            ("Epoch:  30%|###       | 3/10 [00:04<00:10]", (3, Some(10), RunningAfter)),
        ] {
            assert_eq!(mark(line), Some(expected), "{line}");
        }
    }

    #[test]
    fn other_talk_of_epochs_is_no_mark() {
        for line in [
            "Training for 90 epochs",
            "epochs: 90",
            "=> loaded checkpoint 'best.pt' (epoch 12)",
            "*** Best metric: 71.2 (epoch 3)",
            "--epochs=90",
            "max_epoch=90",
            "num_epoch: 3",
            "preepoch 3",
            "Epoch",
            "Epoch 123456789012",
            "",
        ] {
            assert_eq!(mark(line), None, "{line}");
        }
    }

    #[test]
    fn a_pattern_of_the_users_stands_alone() {
        let (recogniser, fault) = Recogniser::new(Some(r"pass (?P<epoch>\d+) out of (?P<total>\d+)"));
        assert_eq!(fault, None);
        let mark = Mark { epoch: 4, total: Some(9), meaning: Meaning::Header, from_zero: false };
        assert_eq!(recogniser.look(b"pass 4 out of 9"), Some(Finding::Mark(mark)));
        assert_eq!(recogniser.look(b"Epoch 3/90"), None);
    }

    #[test]
    fn a_faulty_pattern_is_told_and_the_common_forms_remain() {
        for pattern in ["(", "pass [0-9]+"] {
            let (recogniser, fault) = Recogniser::new(Some(pattern));
            assert!(fault.expect("told").contains(pattern));
            assert!(recogniser.look(b"Epoch 3/90").is_some());
        }
    }

    #[test]
    fn reports_of_the_job_itself_say_it_outright() {
        let ended = |epoch, total| Some(Mark { epoch, total, meaning: Meaning::Ended, from_zero: false });
        assert_eq!(reported(br#"{"epoch": 3, "epochs": 90}"#), ended(3, Some(90)));
        assert_eq!(reported(br#"{"epoch": 3, "loss": 0.1}"#), ended(3, None));
        let start = reported(br#"{"event": "epoch-start", "epoch": 3}"#).expect("a mark");
        assert_eq!(start.meaning, Meaning::Running);
        for other in ["", "Epoch 3", r#"{"event": "checkpoint", "epoch": 3}"#, r#"{"epoch": -1}"#, r#"{"epoch": 1e9}"#]
        {
            assert_eq!(reported(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_bar_and_a_count_tell_how_far_an_epoch_is() {
        let (recogniser, _) = Recogniser::new(None);
        for (line, expected) in [
            ("Epoch 3/90:  45%|####5     | 10/22 [00:03<00:04, loss=0.31]", Some(9)),
            ("Epoch: [3][ 2502/5005]\tTime 0.1 (0.2)\tLoss 6.9", Some(9)),
            ("Train Epoch: 3 [32000/60000 (53%)]\tLoss: 2.3", Some(10)),
            ("epoch 003:   1500 / 3000 loss=2.3", Some(10)),
            ("Epoch 3:   1%|          | 1/220 [00:03<00:04]", None),
            ("Epoch 3: 100%|##########| 22/22 [00:03<00:00]", None),
            ("Epoch 3, step 100, loss: 0.2", None),
            ("Epoch 3/90 1/0", None),
        ] {
            assert_eq!(recogniser.share(line.as_bytes()), expected, "{line}");
        }
    }
}
