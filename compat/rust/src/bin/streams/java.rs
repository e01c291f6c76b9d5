//! Kafka Streams: the program `StreamsReference` of `compat/java` in a JVM that runs job after job.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail};

/// The program, for as long as this lives.
pub(crate) struct Java {
    process: Child,
    jobs: Mutex<ChildStdin>,
    answers: Arc<Answers>,
}

/// What the program said, by application.
#[derive(Default)]
struct Answers {
    said: Mutex<Said>,
    changed: Condvar,
}

#[derive(Default)]
struct Said {
    by_application: HashMap<String, Result<(), String>>,
    ended: bool,
}

/// What to run; the words are `StreamsReference`'s.
pub(crate) struct Job<'a> {
    pub(crate) topology: &'a str,
    pub(crate) application: &'a str,
    /// Each topic, and how many records it holds in the end.
    pub(crate) inputs: Vec<(String, usize)>,
    pub(crate) output: &'a str,
    pub(crate) guarantee: &'a str,
    pub(crate) state_dir: &'a str,
}

impl Java {
    /// Starts it: `command` is the JVM's program and arguments but for the bootstrap servers.
    pub(crate) fn start(command: &[String], bootstrap: &str) -> Result<Self> {
        let (program, arguments) = command.split_first().context("--java names no program")?;
        let mut process = Command::new(program)
            .args(arguments)
            .arg(bootstrap)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("could not run {program}"))?;
        let (jobs, answers) = (process.stdin.take(), process.stdout.take());
        let (Some(jobs), Some(lines)) = (jobs, answers) else {
            bail!("the JVM has no pipes");
        };
        let answers = Arc::new(Answers::default());
        let reading = Arc::clone(&answers);
        thread::spawn(move || reading.read(lines));
        Ok(Self {
            process,
            jobs: Mutex::new(jobs),
            answers,
        })
    }

    /// Runs a job to its end.
    pub(crate) fn run(&self, job: &Job) -> Result<()> {
        let inputs: Vec<_> = job
            .inputs
            .iter()
            .map(|(topic, records)| format!("{topic}:{records}"))
            .collect();
        let line = [
            job.topology,
            job.application,
            &inputs.join(","),
            job.output,
            job.guarantee,
            job.state_dir,
        ];
        writeln!(lock(&self.jobs), "{}", line.join(" ")).context("the JVM ended")?;
        let mut said = lock(&self.answers.said);
        loop {
            match said.by_application.remove(job.application) {
                Some(Ok(())) => return Ok(()),
                Some(Err(reason)) => bail!("Kafka Streams: {reason}"),
                None if said.ended => bail!("the JVM ended"),
                None => {
                    said = self
                        .answers
                        .changed
                        .wait(said)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

impl Drop for Java {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Answers {
    /// Takes lines until there are no more: `done APPLICATION` or `failed APPLICATION REASON`.
    fn read(&self, lines: ChildStdout) {
        for line in BufReader::new(lines).lines().map_while(Result::ok) {
            let mut words = line.splitn(3, ' ');
            let answer = match (words.next(), words.next(), words.next()) {
                (Some("done"), Some(application), None) => (application.to_owned(), Ok(())),
                (Some("failed"), Some(application), reason) => {
                    let reason = reason.unwrap_or_default().to_owned();
                    (application.to_owned(), Err(reason))
                }
                _ => {
                    eprintln!("{line}");
                    continue;
                }
            };
            lock(&self.said).by_application.insert(answer.0, answer.1);
            self.changed.notify_all();
        }
        lock(&self.said).ended = true;
        self.changed.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
