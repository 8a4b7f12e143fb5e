//! A stream against a database that counts what is asked of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;

use arrow_array::{Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::{BatchStream, ChunkStream, Task, Wanted, several};
use crate::database::{Cancel, Sink};
use crate::error::{Code, Error, Result};
use crate::formats::{EncodeOptions, Format};

const FOREVER: Duration = Duration::from_secs(20);

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]))
}

fn batch(rows: i64) -> RecordBatch {
    RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from_iter_values(0..rows))]).unwrap()
}

/// Pushes batches until `batches` are out or the sink refuses, and tells what became of it.
struct Producer {
    pushed: Arc<AtomicUsize>,
    interrupted: Arc<AtomicBool>,
    ended: mpsc::Receiver<Option<Code>>,
}

fn producer(
    batches: usize,
    rows: i64,
    end: fn() -> Result<()>,
) -> (Producer, impl FnOnce(&dyn Sink, &Cancel) -> Result<()> + Send + 'static) {
    let pushed = Arc::new(AtomicUsize::new(0));
    let interrupted = Arc::new(AtomicBool::new(false));
    let (tell, ended) = mpsc::channel();
    let handle = Producer { pushed: Arc::clone(&pushed), interrupted: Arc::clone(&interrupted), ended };
    let job = move |sink: &dyn Sink, cancel: &Cancel| {
        cancel.on_cancel(move || interrupted.store(true, Ordering::SeqCst));
        let outcome = sink.start(schema()).and_then(|()| {
            for _ in 0..batches {
                sink.push(batch(rows))?;
                pushed.fetch_add(1, Ordering::SeqCst);
            }
            end()
        });
        cancel.clear();
        tell.send(outcome.as_ref().err().map(Error::code)).unwrap();
        outcome
    };
    (handle, job)
}

fn wanted(format: Format) -> Wanted {
    Wanted { format, options: EncodeOptions::default(), spool: None }
}

fn stream(job: impl FnOnce(&dyn Sink, &Cancel) -> Result<()> + Send + 'static) -> ChunkStream {
    ChunkStream::rows_of(wanted(Format::ArrowStream), None, job).unwrap()
}

fn next(stream: &ChunkStream) -> Result<Option<Vec<u8>>> {
    match stream.wait(Some(FOREVER)) {
        Poll::Ready(chunk) => chunk,
        Poll::Pending => panic!("nothing came"),
    }
}

#[test]
fn a_small_result_is_one_chunk_and_then_complete() {
    let (producer, job) = producer(3, 100, || Ok(()));
    let stream = stream(job);
    assert!(!stream.complete());
    let chunk = next(&stream).unwrap().unwrap();
    assert!(stream.complete());
    assert_eq!(stream.rows(), 300);
    assert!(chunk.ends_with(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]));
    assert_eq!(next(&stream).unwrap(), None);
    assert_eq!(producer.ended.recv_timeout(FOREVER).unwrap(), None);
    drop(stream);
    assert!(!producer.interrupted.load(Ordering::SeqCst));
}

#[test]
fn a_result_without_rows_still_has_its_schema() {
    let (_producer, job) = producer(0, 0, || Ok(()));
    let stream = stream(job);
    assert!(next(&stream).unwrap().unwrap().len() > 64);
    assert!(stream.complete());
}

#[test]
fn chunks_are_about_a_mebibyte_and_the_first_is_sooner() {
    let (_producer, job) = producer(200, 8_192, || Ok(()));
    let stream = stream(job);
    let mut sizes = Vec::new();
    while let Some(chunk) = next(&stream).unwrap() {
        assert!(!stream.complete() || next(&stream).unwrap().is_none());
        sizes.push(chunk.len());
    }
    assert!(sizes[0] >= 256 << 10 && sizes[0] < 512 << 10, "{sizes:?}");
    for size in &sizes[1..sizes.len() - 1] {
        assert!((900 << 10..=1 << 20).contains(size), "{sizes:?}");
    }
    assert!(sizes.iter().sum::<usize>() > 200 * 8_192 * 8);
}

#[test]
fn long_parts_go_through_one_by_one() {
    let (_producer, job) = producer(4, 200_000, || Ok(()));
    let stream = stream(job);
    let mut sizes = Vec::new();
    while let Some(chunk) = next(&stream).unwrap() {
        sizes.push(chunk.len());
    }
    assert!(sizes.iter().filter(|size| **size > 1_600_000).count() == 4, "{sizes:?}");
}

#[test]
fn a_slow_reader_holds_the_producer_back() {
    let (producer, job) = producer(1_000, 131_072, || Ok(()));
    let stream = stream(job);
    next(&stream).unwrap().unwrap();
    // A part is 1 MiB: two may wait, one more is being sent, one may be under way.
    let mut before = usize::MAX;
    loop {
        let pushed = producer.pushed.load(Ordering::SeqCst);
        if pushed == before {
            break;
        }
        before = pushed;
        assert!(producer.ended.recv_timeout(Duration::from_millis(200)).is_err());
    }
    assert!(before <= 4, "{before} parts ahead");
    drop(stream);
    assert_eq!(producer.ended.recv_timeout(FOREVER).unwrap(), Some(Code::Cancelled));
}

#[test]
fn dropping_a_stream_interrupts_an_engine_that_is_busy() {
    let (tell, told) = mpsc::channel();
    let (busy, begun) = mpsc::channel();
    let stream = stream(move |_: &dyn Sink, cancel: &Cancel| {
        let (interrupt, interrupted) = mpsc::channel();
        cancel.on_cancel(move || interrupt.send(()).unwrap_or_default());
        busy.send(()).unwrap();
        tell.send(interrupted.recv_timeout(FOREVER).is_ok()).unwrap();
        Err(Error::new(Code::Cancelled, "interrupted"))
    });
    begun.recv_timeout(FOREVER).unwrap();
    drop(stream);
    assert!(told.recv_timeout(FOREVER).unwrap());
}

#[test]
fn dropping_a_stream_stops_its_producer() {
    for taken in [0, 1, 5] {
        let (producer, job) = producer(usize::MAX, 131_072, || Ok(()));
        let stream = stream(job);
        for _ in 0..taken {
            next(&stream).unwrap().unwrap();
        }
        drop(stream);
        assert_eq!(producer.ended.recv_timeout(FOREVER).unwrap(), Some(Code::Cancelled));
    }
}

#[test]
fn a_closed_stream_says_so() {
    let (_producer, job) = producer(usize::MAX, 131_072, || Ok(()));
    let stream = stream(job);
    next(&stream).unwrap().unwrap();
    stream.close();
    assert_eq!(next(&stream).unwrap_err().code(), Code::Cancelled);
    assert!(!stream.complete());
}

#[test]
fn an_error_before_the_first_chunk_comes_alone() {
    let (_producer, job) = producer(2, 100, || Err(Error::new(Code::ConstraintViolation, "no")));
    let stream = stream(job);
    assert_eq!(next(&stream).unwrap_err().code(), Code::ConstraintViolation);
    assert_eq!(next(&stream).unwrap_err().code(), Code::ConstraintViolation);
    assert!(!stream.complete());
}

#[test]
fn an_error_after_the_first_chunk_comes_after_it_and_is_no_end() {
    let (_producer, job) = producer(3, 131_072, || Err(Error::new(Code::DatabaseUnavailable, "gone")));
    let stream = stream(job);
    let mut chunks = 0;
    let error = loop {
        match next(&stream) {
            Ok(Some(_)) => chunks += 1,
            Ok(None) => panic!("a clean end"),
            Err(error) => break error,
        }
    };
    assert!(chunks >= 1);
    assert_eq!(error.code(), Code::DatabaseUnavailable);
    assert!(!stream.complete());
}

#[test]
fn a_panic_is_an_internal_error_and_the_thread_lives_on() {
    let (_producer, job) = producer(1, 1, || panic!("with a message"));
    let error = next(&stream(job)).unwrap_err();
    assert_eq!(error.code(), Code::Internal);
    assert!(error.detail().contains("with a message"));
    let (_producer, job) = producer(1, 1, || Ok(()));
    assert!(next(&stream(job)).is_ok());
}

#[test]
fn an_engine_that_gives_no_schema_is_no_empty_success() {
    let stream = stream(|_: &dyn Sink, _: &Cancel| Ok(()));
    assert_eq!(next(&stream).unwrap_err().code(), Code::Internal);
}

#[test]
fn a_passed_deadline_is_a_timeout_even_while_nobody_reads() {
    let (producer, job) = producer(usize::MAX, 131_072, || Ok(()));
    let timeout = Some(Duration::from_millis(50));
    let stream = ChunkStream::rows_of(wanted(Format::ArrowStream), timeout, job).unwrap();
    assert!(producer.ended.recv_timeout(FOREVER).unwrap().is_some());
    let error = loop {
        match next(&stream) {
            Ok(chunk) => assert!(chunk.is_some()),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), Code::QueryTimeout);
}

#[test]
fn a_passed_deadline_is_a_timeout_even_for_an_engine_that_does_not_look() {
    let (let_go, held) = mpsc::channel::<()>();
    let timeout = Some(Duration::from_millis(50));
    let job = move |_: &dyn Sink, _: &Cancel| {
        held.recv().unwrap();
        Ok(())
    };
    let stream = ChunkStream::rows_of(wanted(Format::ArrowStream), timeout, job).unwrap();
    let (woken, wakes) = mpsc::channel();
    let waker = || Box::new(move || woken.send(()).unwrap()) as super::Wake;
    assert!(stream.poll(waker).is_pending());
    wakes.recv_timeout(FOREVER).unwrap();
    assert_eq!(next(&stream).unwrap_err().code(), Code::QueryTimeout);
    let_go.send(()).unwrap();
}

#[test]
fn closing_wakes_whoever_waits() {
    let (_let_go, held) = mpsc::channel::<()>();
    let stream = stream(move |_: &dyn Sink, _: &Cancel| {
        let _ = held.recv();
        Ok(())
    });
    let (woken, wakes) = mpsc::channel();
    let waker = || Box::new(move || woken.send(()).unwrap()) as super::Wake;
    assert!(stream.poll(waker).is_pending());
    stream.close();
    wakes.recv_timeout(FOREVER).unwrap();
    assert_eq!(next(&stream).unwrap_err().code(), Code::Cancelled);
}

#[test]
fn polling_never_waits_and_wakes_once() {
    let (go, wait) = mpsc::channel::<()>();
    let stream = stream(move |sink: &dyn Sink, _: &Cancel| {
        wait.recv().unwrap();
        sink.start(schema())
    });
    let (woken, wakes) = mpsc::channel();
    let waker = || {
        let woken = woken.clone();
        Box::new(move || woken.send(()).unwrap()) as super::Wake
    };
    assert!(stream.poll(waker).is_pending());
    assert!(stream.poll(waker).is_pending());
    go.send(()).unwrap();
    wakes.recv_timeout(FOREVER).unwrap();
    assert!(matches!(stream.poll(waker), Poll::Ready(Ok(Some(_)))));
    assert!(matches!(stream.poll(waker), Poll::Ready(Ok(None))));
    assert!(wakes.try_recv().is_err());
}

#[test]
fn batches_come_as_they_were_pushed() {
    let (producer, job) = producer(10, 7, || Ok(()));
    let stream = BatchStream::rows_of(None, job).unwrap();
    assert_eq!(stream.schema().unwrap(), schema());
    for _ in 0..10 {
        assert_eq!(stream.next().unwrap().unwrap(), batch(7));
    }
    assert!(stream.next().unwrap().is_none());
    assert_eq!(producer.ended.recv_timeout(FOREVER).unwrap(), None);
}

#[test]
fn dropping_batches_stops_their_producer() {
    let (producer, job) = producer(usize::MAX, 7, || Ok(()));
    let stream = BatchStream::rows_of(None, job).unwrap();
    stream.schema().unwrap();
    stream.next().unwrap();
    assert!(producer.pushed.load(Ordering::SeqCst) <= 6);
    drop(stream);
    assert_eq!(producer.ended.recv_timeout(FOREVER).unwrap(), Some(Code::Cancelled));
}

#[test]
fn an_error_before_the_schema_is_said_by_the_schema() {
    let job = |_: &dyn Sink, _: &Cancel| Err(Error::new(Code::NotFound, "no"));
    let stream = BatchStream::rows_of(None, job).unwrap();
    assert_eq!(stream.schema().unwrap_err().code(), Code::NotFound);
}

#[test]
fn a_task_is_waited_for_in_steps_and_can_be_called_off() {
    let (go, wait) = mpsc::channel::<()>();
    let task = Task::start(None, move |_| {
        wait.recv().unwrap();
        Ok(7)
    })
    .unwrap();
    assert!(task.wait(Duration::ZERO).is_pending());
    go.send(()).unwrap();
    assert!(matches!(task.wait(FOREVER), Poll::Ready(Ok(7))));

    let (interrupt, interrupted) = mpsc::channel::<()>();
    let (busy, begun) = mpsc::channel();
    let task = Task::start(None, move |cancel| {
        cancel.on_cancel(move || interrupt.send(()).unwrap_or_default());
        busy.send(()).unwrap();
        interrupted.recv_timeout(FOREVER).unwrap();
        cancel.check()
    })
    .unwrap();
    begun.recv_timeout(FOREVER).unwrap();
    task.cancel();
    assert!(matches!(task.wait(FOREVER), Poll::Ready(Err(error)) if error.code() == Code::Cancelled));
}

fn three(job: impl FnOnce(&dyn Sink, &Cancel) -> Result<()> + Send + 'static) -> Vec<ChunkStream> {
    let formats = [Format::ArrowStream, Format::Csv, Format::Parquet];
    several(formats.into_iter().map(wanted).collect(), None, job).unwrap()
}

fn whole(stream: &ChunkStream) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = next(stream)? {
        bytes.extend(chunk);
    }
    Ok(bytes)
}

#[test]
fn one_job_feeds_several_readers() {
    let (job_of_one, job) = producer(20, 1_000, || Ok(()));
    let streams = three(job);
    let found: Vec<_> = streams.iter().map(|stream| whole(stream).unwrap()).collect();
    assert_eq!(job_of_one.pushed.load(Ordering::SeqCst), 20);
    for (format, (stream, bytes)) in
        [Format::ArrowStream, Format::Csv, Format::Parquet].into_iter().zip(streams.iter().zip(found))
    {
        let (_alone, job) = producer(20, 1_000, || Ok(()));
        let alone = ChunkStream::rows_of(wanted(format), None, job).unwrap();
        assert_eq!(bytes, whole(&alone).unwrap());
        assert!(stream.complete());
        assert_eq!(stream.rows(), 20_000);
    }
}

#[test]
fn a_reader_that_leaves_holds_no_other_back() {
    let (producer, job) = producer(100, 131_072, || Ok(()));
    let mut streams = three(job);
    drop(streams.pop());
    next(&streams[0]).unwrap();
    streams.remove(0).close();
    assert!(whole(&streams[0]).unwrap().ends_with(b"131071\r\n"));
    assert_eq!(producer.ended.recv_timeout(FOREVER).unwrap(), None);
    assert_eq!(producer.pushed.load(Ordering::SeqCst), 100);
}

#[test]
fn a_job_is_stopped_when_all_its_readers_have_left() {
    let (producer, job) = producer(usize::MAX, 131_072, || Ok(()));
    let streams = three(job);
    next(&streams[0]).unwrap();
    drop(streams);
    assert_eq!(producer.ended.recv_timeout(FOREVER).unwrap(), Some(Code::Cancelled));
    assert!(producer.interrupted.load(Ordering::SeqCst));
}

#[test]
fn what_a_job_fails_with_reaches_each_reader() {
    let (_producer, job) = producer(1, 1, || Err(Error::new(Code::DatabaseUnavailable, "gone").with_row(7)));
    for stream in three(job) {
        let error = whole(&stream).unwrap_err();
        assert_eq!((error.code(), error.row()), (Code::DatabaseUnavailable, Some(7)));
        assert!(!stream.complete());
    }
}

#[test]
fn what_one_reader_cannot_be_given_is_given_to_the_others() {
    let read_only = std::fs::File::open("/dev/null").unwrap();
    let (producer, job) = producer(10, 131_072, || Ok(()));
    let mut ways: Vec<_> = [Format::ArrowStream, Format::Csv].into_iter().map(wanted).collect();
    ways[0].spool = Some(read_only);
    let streams = several(ways, None, job).unwrap();
    assert_eq!(whole(&streams[0]).unwrap_err().code(), Code::SpoolFull);
    assert!(whole(&streams[1]).unwrap().ends_with(b"131071\r\n"));
    assert_eq!(producer.ended.recv_timeout(FOREVER).unwrap(), None);
}

#[test]
fn a_passed_deadline_is_a_timeout_for_each_reader() {
    let (producer, job) = producer(usize::MAX, 131_072, || Ok(()));
    let ways = vec![wanted(Format::ArrowStream), wanted(Format::Csv)];
    let streams = several(ways, Some(Duration::from_millis(50)), job).unwrap();
    assert!(producer.ended.recv_timeout(FOREVER).unwrap().is_some());
    for stream in streams {
        assert_eq!(whole(&stream).unwrap_err().code(), Code::QueryTimeout);
    }
}
