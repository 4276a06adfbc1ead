//! Many records read back at once. To understand a record takes several times as long as to fetch it, so the one connection fetches
//! and all processors understand.

use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// So many records are handed over at a time.
const HANDED_OVER: usize = 512;
/// More threads than this are not fed by one connection.
const MOST_THREADS: usize = 8;

/// A row: its number, and its record.
pub(crate) type Row = (i64, String);

/// Where workers get rows, numbered as they were fetched.
type Rows = Arc<Mutex<Receiver<(usize, Vec<Row>)>>>;

/// Understands all rows that `fetch` gives, which is asked until it has no more, and keeps their order. The first error ends it.
pub(crate) fn read_all<T: Send, E: Send>(
    mut fetch: impl FnMut() -> Result<Option<Row>, E>,
    understand: impl Fn(Row) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let first = some(&mut fetch)?;
    if first.len() < HANDED_OVER {
        return first.into_iter().map(understand).collect();
    }
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MOST_THREADS);
    let (rows_in, rows_out) = sync_channel::<(usize, Vec<Row>)>(threads);
    // Shared by the workers alone: when the last of them has ended, nothing more is handed over.
    let rows_out = Arc::new(Mutex::new(rows_out));
    let understand = &understand;
    let mut parts = thread::scope(|scope| {
        let work = |from: Rows| scope.spawn(move || understand_some(&from, understand));
        let workers: Vec<_> = (0..threads).map(|_| work(rows_out.clone())).collect();
        drop(rows_out);
        let fetched = hand_over(first, &mut fetch, &rows_in);
        drop(rows_in);
        let understood =
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        let understood: Vec<_> = understood.collect::<Result<_, E>>()?;
        fetched?;
        Ok(understood.into_iter().flatten().collect::<Vec<(usize, Vec<T>)>>())
    })?;
    parts.sort_unstable_by_key(|(number, _)| *number);
    // As large as it will be: what grows is copied again and again.
    let mut all = Vec::with_capacity(parts.iter().map(|(_, part)| part.len()).sum());
    for (_, part) in parts {
        all.extend(part);
    }
    Ok(all)
}

/// The next rows; fewer than [`HANDED_OVER`] where there are no more.
fn some<E>(fetch: &mut impl FnMut() -> Result<Option<Row>, E>) -> Result<Vec<Row>, E> {
    let mut rows = Vec::with_capacity(HANDED_OVER);
    while rows.len() < HANDED_OVER
        && let Some(row) = fetch()?
    {
        rows.push(row);
    }
    Ok(rows)
}

fn hand_over<E>(
    first: Vec<Row>,
    fetch: &mut impl FnMut() -> Result<Option<Row>, E>,
    to: &SyncSender<(usize, Vec<Row>)>,
) -> Result<(), E> {
    let mut rows = first;
    for number in 0.. {
        let last = rows.len() < HANDED_OVER;
        // Fails only where every worker has met an error, which is then told.
        if to.send((number, rows)).is_err() || last {
            break;
        }
        rows = some(fetch)?;
    }
    Ok(())
}

/// Takes rows until there are no more.
fn understand_some<T, E>(from: &Rows, understand: &impl Fn(Row) -> Result<T, E>) -> Result<Vec<(usize, Vec<T>)>, E> {
    let next = || from.lock().unwrap_or_else(PoisonError::into_inner).recv();
    let mut understood = Vec::new();
    while let Ok((number, rows)) = next() {
        understood.push((number, rows.into_iter().map(understand).collect::<Result<_, E>>()?));
    }
    Ok(understood)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(count: i64, bad: Option<i64>) -> Result<Vec<Row>, String> {
        let mut rows = (0..count).map(|number| (number, number.to_string()));
        let understand = |(number, record): Row| {
            if Some(number) == bad { Err(format!("{record} is bad")) } else { Ok((number, record)) }
        };
        read_all(|| Ok(rows.next()), understand)
    }

    #[test]
    fn rows_keep_their_order_however_many_there_are() {
        for count in [0, 1, 511, 512, 513, 1_024, 20_000] {
            let expected: Vec<Row> = (0..count).map(|number| (number, number.to_string())).collect();
            assert_eq!(read(count, None), Ok(expected), "{count}");
        }
    }

    #[test]
    fn a_record_that_is_not_understood_ends_it() {
        for (count, bad) in [(10, 3), (20_000, 0), (20_000, 19_999)] {
            assert_eq!(read(count, Some(bad)), Err(format!("{bad} is bad")));
        }
        let mut left = 600;
        let fetch = || {
            left -= 1;
            if left == 0 { Err("the disk".to_owned()) } else { Ok(Some((left, String::new()))) }
        };
        assert_eq!(read_all(fetch, |(number, _)| Ok(number)), Err("the disk".to_owned()));
    }
}
