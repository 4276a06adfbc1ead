//! A job, whole: what `show` prints.

use lowtide_api::v1::job::{AttemptView, EpochView, EstimateView, JobView, NoteView};

use super::layout::{self, Column, Field, Look};
use super::review;
use super::submitted::plan_fields;
use super::words::{self, Clock};
use crate::value::shell_words;

/// The most epochs shown; of more, the first and the last ones are.
const MOST_EPOCHS: usize = 12;

/// An attempt shorter than this is told by its length: its two minutes by the clock are the same, or nearly.
const SHORT_SECONDS: i64 = 180;

/// What `show` prints.
#[must_use]
pub(crate) fn text(job: &JobView, clock: &Clock, look: Look) -> String {
    let mut text = layout::clean(&headline(job, clock));
    text.push('\n');
    text.push_str(&layout::fields(&description(job, clock), look.width));
    if !job.attempts.is_empty() {
        text.push_str("\nAttempts\n");
        text.push_str(&attempts(&job.attempts, clock, look));
    }
    if !job.epochs.is_empty() {
        text.push_str("\nEpochs\n");
        text.push_str(&epochs(&job.epochs, clock, look));
    }
    if let Some(account) = &job.review {
        text.push_str("\nReview\n");
        text.push_str(&review::text(account, look));
    }
    if !job.notes.is_empty() {
        text.push_str("\nNotes\n");
        let line = |NoteView { at, text }: &NoteView| format!("{}: {text}", words::moment(*at, clock));
        text.push_str(&layout::bullets(&job.notes.iter().map(line).collect::<Vec<_>>(), look.width));
    }
    text
}

/// `Job 42: train.py, running since today 13:30, epoch 3 of 90`.
#[must_use]
pub(crate) fn headline(job: &JobView, clock: &Clock) -> String {
    let number = job.id.map(|id| format!("Job {id}: ")).unwrap_or_default();
    let detail = job.state_detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default();
    let progress = match (job.epochs_done, job.epochs_total) {
        (0, None) => String::new(),
        (done, Some(total)) => format!(", {done} of {total} epochs done"),
        (1, None) => ", 1 epoch done".to_owned(),
        (done, None) => format!(", {done} epochs done"),
    };
    let since = if job.exit_code.is_some() { "" } else { "since " };
    format!("{number}{}, {} {since}{}{detail}{progress}", job.name, job.state, words::moment(job.state_since, clock))
}

fn description(job: &JobView, clock: &Clock) -> Vec<Field> {
    let mut fields = vec![
        Field::new("command", shell_words(&job.command)),
        Field::new("directory", &job.directory),
        Field::new("needs", needs(job)),
        policy(job),
    ];
    let project = job.project.as_ref().map(|project| format!(" for {project}")).unwrap_or_default();
    fields
        .push(Field::new("submitted", format!("{} by {}{project}", words::moment(job.submitted_at, clock), job.user)));
    fields.extend(
        job.deadline.map(|at| Field::new("deadline", words::moment(at, clock)).remark(words::relative(at, clock))),
    );
    if job.review.is_none() {
        fields.extend(job.estimates.last().map(estimate_fields).unwrap_or_default());
        fields.extend(job.plan.as_ref().map(|plan| plan_fields(plan, clock)).unwrap_or_default());
    }
    let priority = job.priority.to_string();
    fields.extend((job.priority != 0).then(|| Field::new("priority", priority)));
    fields.extend(job.exit_code.map(|code| Field::new("exit code", code.to_string())));
    fields
}

/// The policy, with who chose it where that was not the job, and with an urgency that is not normal.
fn policy(job: &JobView) -> Field {
    let chosen = match job.policy_chosen_by.as_str() {
        "user" => Some(format!("the default of {}", job.user)),
        "project" => job.project.as_ref().map(|project| format!("the default of project {project}")),
        "default" => Some("the default".to_owned()),
        _ => None,
    };
    let urgency = (!matches!(job.urgency.as_str(), "" | "normal")).then(|| format!("urgency {}", job.urgency));
    let remarks: Vec<String> = chosen.into_iter().chain(urgency).collect();
    let field = Field::new("policy", &job.policy);
    if remarks.is_empty() { field } else { field.remark(remarks.join(", ")) }
}

/// The latest estimate, with its ranges.
fn estimate_fields(estimate: &EstimateView) -> Vec<Field> {
    let EstimateView { at: _, after_epoch, source, duration_s, energy_kwh, footprint_g } = estimate;
    vec![
        Field::new("footprint", words::footprint(footprint_g)).remark(words::source(source, *after_epoch)),
        Field::new("energy", words::energy_interval(energy_kwh)),
        Field::new("time", words::duration_interval(duration_s)),
    ]
}

fn needs(job: &JobView) -> String {
    let count = |number: u32, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let gpus = if job.gpus == 0 { String::new() } else { format!(", {}", count(job.gpus, "GPU")) };
    let checkpoint = if job.checkpoint { "; can leave a checkpoint" } else { "" };
    let workers = match &job.workers {
        None => String::new(),
        Some(profile) => format!(" for each worker (throughput by workers {profile})"),
    };
    let caps = match &job.gpu_caps {
        None => String::new(),
        Some(profile) => format!("; its GPUs can be held to less (watts, speed, power {profile})"),
    };
    format!("{}{gpus}{workers}{caps}{checkpoint}", count(job.cpus, "CPU"))
}

fn attempts(attempts: &[AttemptView], clock: &Clock, look: Look) -> String {
    let columns = [
        Column::numbers("no", 0),
        Column::words("site", 0),
        Column::words("ran", 0),
        Column::numbers("energy", 0),
        Column::words("exit", 0),
        Column::words("GPUs", 1),
    ];
    let row = |attempt: &AttemptView| {
        let AttemptView { number, site, start, end, exit, workers, power_cap_w, devices, energy_kwh } = attempt;
        let ran = match end {
            Some(end) if end.duration_since(*start).as_secs() < SHORT_SECONDS => {
                let time = words::duration(end.duration_since(*start).as_secs_f64());
                format!("{}, {time}", words::moment(*start, clock))
            }
            Some(end) => words::span(*start, *end, clock),
            None => format!("{} on", words::moment(*start, clock)),
        };
        let exit = match (exit, end) {
            (Some(code), _) => code.to_string(),
            (None, Some(_)) => "unknown".to_owned(),
            (None, None) => String::new(),
        };
        // Of an attempt that has told of no epoch yet nothing is known.
        let energy = if end.is_none() && *energy_kwh <= 0.0 { String::new() } else { words::energy(*energy_kwh) };
        let devices = devices.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
        let site = format!("{site}{}", words::point(*workers, *power_cap_w));
        vec![number.to_string(), site, ran, energy, exit, devices]
    };
    layout::table(&columns, &attempts.iter().map(row).collect::<Vec<_>>(), look)
}

fn epochs(epochs: &[EpochView], clock: &Clock, look: Look) -> String {
    let columns = [
        Column::numbers("no", 0),
        Column::words("began", 1),
        Column::numbers("time", 0),
        Column::numbers("energy", 0),
        Column::numbers("power", 2),
        Column::words("source", 0),
    ];
    let row = |epoch: &EpochView| {
        let EpochView { index, attempt: _, start, duration_s, energy_kwh, energy_source } = epoch;
        let power = if 0.0 < *duration_s { words::power(energy_kwh * 3.6e6 / duration_s) } else { String::new() };
        vec![
            index.to_string(),
            words::moment(*start, clock),
            words::duration(*duration_s),
            words::energy(*energy_kwh),
            power,
            words::energy_source(energy_source).to_owned(),
        ]
    };
    let (first, last) = if epochs.len() <= MOST_EPOCHS {
        (epochs, &epochs[..0])
    } else {
        (&epochs[..3], &epochs[epochs.len() - (MOST_EPOCHS - 4)..])
    };
    let mut rows: Vec<Vec<String>> = first.iter().map(row).collect();
    if !last.is_empty() {
        let hidden = epochs.len() - first.len() - last.len();
        rows.push(vec![
            "…".to_owned(),
            format!("{hidden} more"),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
        ]);
        rows.extend(last.iter().map(row));
    }
    layout::table(&columns, &rows, look)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing;

    #[test]
    fn a_waiting_job_shows_its_plan() {
        insta::assert_snapshot!(text(&testing::waiting(), &testing::clock(), testing::look(100)), @r"
        Job 42: train.py, waiting since today 14:00, 0 of 90 epochs done
          command    python train.py '--note=a b'
          directory  /home/ada/vision
          needs      4 CPUs, 1 GPU; can leave a checkpoint
          policy     follow-the-tide
          submitted  today 14:00 by ada for vision
          deadline   Fri 18:00                      in 2 d 4 h
          footprint  1.8 kgCO2e (1.3–2.6)           from earlier jobs like it
          energy     6.2 kWh (4.9–8.1)
          time       9 h 10 min (7 h–12 h)
          plan       north, today 22:30 to 07:40    instead of now at home: 3.1 kgCO2e
          why        another site is cleaner later
        ");
    }

    #[test]
    fn a_running_job_shows_its_epochs() {
        insta::assert_snapshot!(text(&testing::running(), &testing::clock(), testing::look(80)), @r"
        Job 42: train.py, running since today 13:30, 3 of 90 epochs done
          command    python train.py '--note=a b'
          directory  /home/ada/vision
          needs      4 CPUs, 1 GPU; can leave a checkpoint
          policy     follow-the-tide
          submitted  today 14:00 by ada for vision
          deadline   Fri 18:00                      in 2 d 4 h
          footprint  1.75 kgCO2e (1.6–1.9)          measured over 3 epochs
          energy     6.3 kWh (6.1–6.5)
          time       9 h (8 h 53 min–9 h 10 min)
          plan       north, today 22:30 to 07:40    instead of now at home: 3.1 kgCO2e
          why        another site is cleaner later

        Attempts
        no  site   ran             energy  exit  GPUs
         1  north  today 13:30 on  210 Wh        0

        Epochs
        no  began         time  energy  power  source
         1  today 13:30  6 min   70 Wh  700 W  measured
         2  today 13:36  6 min   70 Wh  700 W  measured
         3  today 13:42  6 min   70 Wh  700 W  measured

        Notes
          - today 13:31: no counter for memory: left out
        ");
    }

    #[test]
    fn a_finished_job_shows_its_review_in_a_narrow_terminal() {
        insta::assert_snapshot!(text(&testing::succeeded(), &testing::clock(), testing::look(60)), @r"
        Job 42: train.py, succeeded today 13:48, 3 of 90 epochs done
          command    python train.py '--note=a b'
          directory  /home/ada/vision
          needs      4 CPUs, 1 GPU; can leave a checkpoint
          policy     follow-the-tide
          submitted  today 14:00 by ada for vision
          deadline   Fri 18:00    in 2 d 4 h
          exit code  0

        Attempts
        no  site   ran                   energy  exit  GPUs
         1  north  today 13:30 to 13:48  210 Wh  0     0

        Epochs
        no  began         time  energy  power  source
         1  today 13:30  6 min   70 Wh  700 W  measured
         2  today 13:36  6 min   70 Wh  700 W  measured
         3  today 13:42  6 min   70 Wh  700 W  measured

        Review
                               time    energy              footprint
        predicted first  9 h 10 min   6.2 kWh   1.8 kgCO2e (1.3–2.6)
        after 3 epochs          9 h   6.3 kWh  1.75 kgCO2e (1.6–1.9)
        actual            9 h 3 min  6.25 kWh            1.82 kgCO2e
        error                -0.6 %    +0.8 %                 -3.8 %
          saved      1.28 kgCO2e, 41.3 %
                     against 3.1 kg run at once
          method     the same energy from submission on at home
          intensity  measured
                     predicted 4.7 % too low

        Notes
          - today 13:31: no counter for memory: left out
        ");
    }

    #[test]
    fn of_many_epochs_the_first_and_the_last_are_shown() {
        let mut job = testing::running();
        let epoch = job.epochs[0].clone();
        job.epochs = (1..=90).map(|index| EpochView { index, ..epoch.clone() }).collect();
        let text = epochs(&job.epochs, &testing::clock(), testing::look(80));
        assert_eq!(text.lines().count(), 1 + MOST_EPOCHS);
        assert!(text.contains("79 more"), "{text}");
    }
}
