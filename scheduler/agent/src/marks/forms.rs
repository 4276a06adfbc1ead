//! The forms in which frameworks tell of epochs and steps without a plain `Epoch 3`: one small recogniser each.

use regex::bytes::{Captures, Regex};

use super::{Finding, Mark, Meaning, before, completed, fixed, number, number_if_named};

/// Steps above this are no steps, but a time in milliseconds or the like.
const HIGHEST_STEP: u32 = 999_999_999;

/// One form that marks epochs.
struct Form {
    pattern: Regex,
    /// Whether it stands at the beginning of a line, after what a launcher puts before it.
    leads: bool,
    read: fn(&Captures<'_>) -> Option<Mark>,
    from_zero: bool,
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.pattern.fmt(f)
    }
}

/// All forms.
#[derive(Debug)]
pub(super) struct Forms {
    /// Every line that any form fits has one of these.
    hint: Regex,
    /// What launchers put before the lines of a rank.
    prefix: Regex,
    marks: Vec<Form>,
    /// Lightning's greeting, and the head of YOLOv5's table.
    counts_from_zero: Regex,
    step_bar: Regex,
    bar_over_steps: Regex,
    steps: Regex,
    step: Regex,
    epochs_to_come: Regex,
    steps_to_come: Regex,
    /// Steps of something that is no training.
    not_training: Regex,
}

impl Forms {
    pub(super) fn new() -> Self {
        Self {
            hint: fixed(
                r"(?i)epoch|GPU avail|^Sanity|steps?\b|iter|\]\t|learn:|Train: |\]\s+loss|%\||\d% \xe2\x94|^[^a-z]{0,40}\d+/\d+|\|Loss:|\d:\d\d(?:'\])?\s*$",
            ),
            prefix: fixed(
                r"^(?:\[(?:rank|default)?\d{1,6}\]:[ ]?|\d{1,6}:[ ]|\[\d+,\d+\]<std(?:out|err)>:[ ]?|\([^()]{0,60}pid=\d+[^()]{0,60}\)[ ]|\[\d\d:\d\d:\d\d\][ ])+",
            ),
            marks: marks(),
            counts_from_zero: fixed(
                r"^GPU available: |^\s*Sanity Checking\b|^\s*Epoch\s+GPU_mem\s+box_loss\s+obj_loss",
            ),
            step_bar: fixed(r"^\s*\d+/\d+\s+(?:\[|\xe2\x94\x81|-)"),
            bar_over_steps: fixed(
                r"(?i)(?:^|[^a-z])(?:train(?:ing)?[ _])?(?:steps?|iterations?|iters?)\s*:\s+\d+%\|[^|]*\|\s*(?P<done>\d+)/(?P<total>\d+)",
            ),
            steps: fixed(
                r"(?i)(?:^|[^a-z0-9])(?:steps?|iter(?:ation)?s?)(?:\(train\))?[ \t]*[:=#]?[ \t]*[\[(]?[ \t]*(?P<done>\d+)[ \t]*(?:/|of)[ \t]*(?P<total>\d+)",
            ),
            step: fixed(
                r"(?i)(?:^|[^a-z0-9])(?:step|iter(?:ation)?)[ \t]*[:=#]?[ \t]*(?P<done>\d+)(?:[ \t]*[:,|\])]|[ \t]|$)",
            ),
            epochs_to_come: fixed(
                r#"(?i)(?:(?:^|[\s({,'"`]|--)(?:max_|num_|n_|total_|num_train_|num[ ]|max[ ]|scheduled[ ])?epochs['"]?[ ]*[:=][ ]*(?P<total>\d+)(?:\.0\b|[^\d.%/]|$)|\btraining for (?P<for>\d+) epochs\b)"#,
            ),
            steps_to_come: fixed(
                r#"(?i)(?:^|[^a-z])(?:max_iters?|max_steps|train_iters|(?:total|num)[ _](?:train(?:ing)?[ _]|optimization[ _])?(?:steps|iters))['"]?[ .]*[:=]?[ ]*(?P<total>\d+)"#,
            ),
            not_training: fixed(
                r"(?i)\b(?:val|valid|validation|validating|eval|evaluation|evaluating|test|testing|warm-?up|sampling|sample|predict|predicting|inference|denoising|generating|generation)\b",
            ),
        }
    }

    /// Whether any form may fit. Says no to nearly all lines that say nothing.
    pub(super) fn may_fit(&self, line: &[u8]) -> bool {
        self.hint.is_match(line)
    }

    /// What the line says of one epoch, if it is one of these forms.
    pub(super) fn mark(&self, line: &[u8]) -> Option<Mark> {
        let own = self.without_prefix(line);
        self.marks.iter().find_map(|form| {
            let found = form.pattern.captures(if form.leads { own } else { line })?;
            (form.read)(&found).map(|mark| Mark { from_zero: form.from_zero, ..mark })
        })
    }

    /// What else it says.
    pub(super) fn other(&self, line: &[u8]) -> Option<Finding> {
        let own = self.without_prefix(line);
        if self.counts_from_zero.is_match(own) {
            return Some(Finding::FromZero);
        }
        if self.step_bar.is_match(own) {
            return Some(Finding::StepBar);
        }
        let counted = || self.counted(&[&self.bar_over_steps, &self.steps], line);
        counted().or_else(|| self.to_come(line)).or_else(|| self.counted(&[&self.step], line))
    }

    /// Steps that are done, of the training.
    fn counted(&self, forms: &[&Regex], line: &[u8]) -> Option<Finding> {
        let found = forms.iter().find_map(|form| form.captures(line))?;
        if self.not_training.is_match(before(line, &found)) {
            return None;
        }
        let total = step_if_named(&found, "total");
        Some(Finding::Steps { done: step(&found, "done")?, total })
    }

    /// How much there will be, as settings say.
    fn to_come(&self, line: &[u8]) -> Option<Finding> {
        if let Some(found) = self.epochs_to_come.captures(line) {
            let total = number_if_named(&found, "total").or_else(|| number_if_named(&found, "for"));
            return total.filter(|total| *total > 0).map(Finding::Epochs);
        }
        let found = self.steps_to_come.captures(line)?;
        step(&found, "total").filter(|total| *total > 0).map(Finding::TotalSteps)
    }

    fn without_prefix<'l>(&self, line: &'l [u8]) -> &'l [u8] {
        self.prefix.find(line).map_or(line, |prefix| &line[prefix.end()..])
    }
}

fn step_if_named(found: &Captures<'_>, group: &str) -> Option<u32> {
    found.name(group).and_then(|_| step(found, group))
}

fn step(found: &Captures<'_>, group: &str) -> Option<u32> {
    let text = std::str::from_utf8(found.name(group)?.as_bytes()).ok()?;
    text.parse().ok().filter(|number| *number <= HIGHEST_STEP)
}

fn marks() -> Vec<Form> {
    let form = |leads: bool, pattern: &str, read: fn(&Captures<'_>) -> Option<Mark>| Form {
        pattern: fixed(pattern),
        leads,
        read,
        from_zero: false,
    };
    let from_zero = |form: Form| Form { from_zero: true, ..form };
    vec![
        // Hugging Face: {'loss': 2.1, 'epoch': 2.67}
        form(false, r#"\{.*['"]epoch['"]:[ ]*['"]?(?P<epoch>\d+)(?P<fraction>\.\d+)?"#, completed),
        // Epochs:  30%|███       | 3/10 [00:04<00:10]
        form(false, r"(?i)epochs?:?\s+\d+%\|[^|]*\|\s*(?P<epoch>\d+)/(?P<total>\d+)", bar_over_epochs),
        //  30%|███       | 3/10 [00:04<00:10,  1.4s/epoch]
        form(false, r"\|\s*(?P<epoch>\d+)/(?P<total>\d+)\s+\[[^\]]*(?:s/epoch|epochs?/s)\b", bar_over_epochs),
        // mmengine: Epoch(train)  [3][ 50/117]  lr: 2.0e-02
        form(false, r"Epoch\(train\)\s+\[(?P<epoch>\d+)\]\[", running),
        // timm: Train: 3 [ 100/5004 (  2%)]  Loss: 6.9
        from_zero(form(false, r"(?:^|\s)Train: (?P<epoch>\d+) \[\s*\d+/\d+", running)),
        // Ultralytics, YOLOv5:   3/100   2.1G   1.23   1.11   12   640:  37%|███ | 3/8   (or 37% ━━━╸)
        form(true, r"^\s*(?P<epoch>\d+)/(?P<total>\d+)\s+[\d.]+(?:[KMGT]i?B?)?\s[\s\d.naife+-]*:\s+\d+%", running),
        // XGBoost: [3]⇥train-rmse:0.27
        from_zero(form(true, r"^\[(?P<epoch>\d+)\]\t[^\t: ]+-[^\t: ]+:[-+]?(?:\d|nan|inf)", ended)),
        // PyTorch's examples/imagenet: Epoch: [3][ 100/5005]⇥Time  0.1
        from_zero(form(false, r"(?:^|\s)Epoch: \[(?P<epoch>\d+)\]\[\s*\d+/\d+\]\tTime", running)),
        // LightGBM: [3]⇥valid_0's l2: 0.24
        form(true, r"^\[(?P<epoch>\d+)\]\t[^\t:]+:[ ]?[-+]?(?:\d|nan|inf)", ended),
        // CatBoost: 3:⇥learn: 0.27⇥total: 1.2ms⇥remaining: 3ms
        from_zero(form(true, r"^(?P<epoch>\d+):\s+learn:\s", ended)),
        // PyTorch's first tutorial: [3,  2000] loss: 1.2
        form(true, r"^\[(?P<epoch>\d+),\s*\d+\]\s+loss", running),
        // torchtune: 3|25|Loss: 1.23:  12%|█▏
        form(true, r"^(?P<epoch>\d+)\|\d+\|Loss:", running),
        // fastai: 3         0.512345    0.498765    0.9123    00:05
        from_zero(form(true, r"^(?P<epoch>\d+)\s+(?:(?:\d+\.\d{6}|None|nan|\#na\#)\s+)+(?:\d+:)?\d\d:\d\d\s*$", ended)),
        // and where there is no notebook: [3, 0.5123450875, 0.4987659454, '00:05']
        from_zero(form(
            true,
            r"^\[(?P<epoch>\d+), (?:[\d.e+-]+|None|nan)(?:, (?:[\d.e+-]+|None|nan))*, '(?:\d+:)?\d\d:\d\d'\]",
            ended,
        )),
    ]
}

fn bar_over_epochs(found: &Captures<'_>) -> Option<Mark> {
    Some(Mark {
        epoch: number(found, "epoch")?,
        total: number(found, "total"),
        meaning: Meaning::RunningAfter,
        from_zero: false,
    })
}

fn running(found: &Captures<'_>) -> Option<Mark> {
    let total = number_if_named(found, "total");
    Some(Mark { epoch: number(found, "epoch")?, total, meaning: Meaning::Running, from_zero: false })
}

fn ended(found: &Captures<'_>) -> Option<Mark> {
    Some(Mark { epoch: number(found, "epoch")?, total: None, meaning: Meaning::Ended, from_zero: false })
}

/// Whether a line mentions an epoch without marking it: `resumed from epoch 3`, `best epoch: 3`, `Epoch 2024-01-01`,
/// `epoch 3rd`.
pub(super) fn only_mentions(before: &[u8], after: &[u8]) -> bool {
    const MENTIONING: [&str; 31] = [
        "at",
        "back",
        "before",
        "best",
        "by",
        "checkpoint",
        "during",
        "every",
        "from",
        "in",
        "last",
        "load",
        "loaded",
        "loading",
        "per",
        "previous",
        "restored",
        "resume",
        "resumed",
        "resuming",
        "saved",
        "saving",
        "since",
        "than",
        "through",
        "to",
        "unix",
        "until",
        "warmup",
        "was",
        "weights",
    ];
    match after {
        [byte, ..] if byte.is_ascii_alphanumeric() || *byte == b'_' => return true,
        [b'-', digit, ..] if digit.is_ascii_digit() => return true,
        _ => {}
    }
    let words = before.rsplit(|byte| !byte.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    // The word right before it, or the one before that: `from the epoch 3`, `best val epoch 3`.
    words.take(2).any(|word| MENTIONING.iter().any(|mention| word.eq_ignore_ascii_case(mention.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::super::Recogniser;
    use super::*;

    fn look(line: &str) -> Option<Finding> {
        Recogniser::new(None).0.look(line.as_bytes())
    }

    fn mark(epoch: u32, total: Option<u32>, meaning: Meaning) -> Finding {
        Finding::Mark(Mark { epoch, total, meaning, from_zero: false })
    }

    #[test]
    fn forms_of_frameworks_mark_epochs() {
        use Meaning::{Ended, Running, RunningAfter};
        for (line, expected) in [
            ("Epoch(train)  [3][ 50/117]  lr: 2.0e-02", mark(3, None, Running)),
            ("Train: 3 [ 100/5004 (  2%)]  Loss: 6.9", mark(3, None, Running)),
            ("      3/100      2.1G   1.2e-05    1.1     12        640:  37%|███▊ | 3/8", mark(3, Some(100), Running)),
            (
                "      3/100      2.1G   1.2    1.1     12        640: 37% ━━━╸──── 3/8 1.0it/s",
                mark(3, Some(100), Running),
            ),
            ("[3]\ttrain-rmse:0.27905\teval-rmse:0.3", mark(3, None, Ended)),
            ("12: [3]\ttrain-rmse:0.27905", mark(3, None, Ended)),
            ("[3]\tvalid_0's l2: 0.24", mark(3, None, Ended)),
            ("3:\tlearn: 0.2390086\ttotal: 52.1ms\tremaining: 78.1ms", mark(3, None, Ended)),
            ("[3,  2000] loss: 1.2", mark(3, None, Running)),
            ("3|25|Loss: 1.23:  12%|█▏", mark(3, None, Running)),
            ("3         0.512345    0.498765    0.912300  00:05", mark(3, None, Ended)),
            ("[3, 0.512345, 0.498765, None, '00:05']", mark(3, None, Ended)),
            (" 30%|███       | 3/10 [00:04<00:10,  1.4s/epoch]", mark(3, Some(10), RunningAfter)),
        ] {
            let found = look(line).map(|finding| match finding {
                Finding::Mark(mark) => Finding::Mark(Mark { from_zero: false, ..mark }),
                other => other,
            });
            assert_eq!(found, Some(expected), "{line}");
        }
    }

    #[test]
    fn steps_and_totals_are_told_apart_from_epochs() {
        let steps = |done, total| Some(Finding::Steps { done, total });
        for (line, expected) in [
            ("step 1200/10000 | loss 4.1", steps(1200, Some(10_000))),
            (" [2024-05-01 12:00] iteration      100/  500000 | consumed samples: 1", steps(100, Some(500_000))),
            ("mmengine - INFO - Iter(train) [   50/90000]  lr: 2.0e-02", steps(50, Some(90_000))),
            ("Steps:  12%|█▏ | 120/1000 [00:10<01:13, loss=0.1]", steps(120, Some(1000))),
            ("iter 100: loss 2.1, time 120.00ms", steps(100, None)),
            ("[rank0]:[titan] INFO - step:  5  loss:  8.1", steps(5, None)),
            ("22/22 ━━━━━━━━━━━━━━━━━━━━ 5s 2ms/step - loss: 0.3", Some(Finding::StepBar)),
            ("22/22 [====>....] - 5s 2ms/step - loss: 0.3", Some(Finding::StepBar)),
            ("  Num Epochs = 3", Some(Finding::Epochs(3))),
            ("Namespace(lr=0.1, epochs=90, warmup_epochs=5)", Some(Finding::Epochs(90))),
            ("Starting training for 3 epochs...", Some(Finding::Epochs(3))),
            ("`Trainer.fit` stopped: `max_epochs=3` reached.", Some(Finding::Epochs(3))),
            ("GPU available: True (cuda), used: True", Some(Finding::FromZero)),
            ("Overriding: max_iters = 2000", Some(Finding::TotalSteps(2000))),
            ("  Total optimization steps = 375", Some(Finding::TotalSteps(375))),
        ] {
            assert_eq!(look(line), expected, "{line}");
        }
    }

    #[test]
    fn what_is_like_a_form_and_is_none_says_nothing() {
        for line in [
            "loss 22/22",
            "Validation step 3/100",
            "Eval iter 5/50",
            "Epoch(val) [3][5/5]  acc: 0.5",
            "100%|##########| 1/1 [00:00<00:00, 9.00it/s]",
            "warmup_epochs=5",
            "[LightGBM] [Info] Total Bins 340",
            "[12:30:01] src/gbm.cc:10: done",
            "training for 90 seconds",
            "resumed from epoch 3",
            "Epoch 2024-01-01T00:00:00Z",
            "epoch 3rd",
        ] {
            assert_eq!(look(line), None, "{line}");
        }
    }
}
