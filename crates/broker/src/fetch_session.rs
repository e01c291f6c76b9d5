//! Incremental fetch sessions (KIP-227): the broker remembers what a consumer
//! asks for and last heard, so that requests and replies name only what changed.
//!
//! Owns ids, epochs, eviction and the choice of which partitions a reply names;
//! never reads a log. The cache is bounded in sessions: the one unused for longest
//! makes room once it has been idle for [`EVICTION`], or else the one with the fewest
//! partitions that has lived as long, if the new one has as many; otherwise new
//! consumers are served without a session, which they cope with.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use headwater_protocol::ErrorCode;
use headwater_protocol::messages::fetch::{
    EpochEndOffset, FetchPartition, FetchRequest, PartitionData,
};

use crate::served::TopicKey;

/// The first version that names topics by id.
const TOPIC_IDS_SINCE: i16 = 13;
/// "No session" as a session id.
const NO_SESSION: i32 = 0;
/// The epoch that asks for a new session.
const INITIAL_EPOCH: i32 = 0;
/// The epoch of a request outside any session.
const FINAL_EPOCH: i32 = -1;
/// `min.incremental.fetch.session.eviction.ms`.
const EVICTION: Duration = Duration::from_mins(2);

/// One partition that a consumer wants to hear of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) topic: TopicKey,
    pub(crate) partition: FetchPartition,
}

/// What a partition's turn of a fetch came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fetched {
    pub(crate) topic: TopicKey,
    pub(crate) data: PartitionData,
}

/// How a reply has to be made, decided when its request arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionUse {
    /// Every partition is named, and there is no session.
    Full,
    /// Every partition is named, and a session is begun.
    Begin {
        /// Whether its topics are named by id.
        topic_ids: bool,
    },
    /// Only changed partitions are named.
    Incremental {
        /// The session.
        id: i32,
        /// Its epoch after this request.
        epoch: i32,
    },
}

/// The sessions of this node.
#[derive(Debug)]
pub(crate) struct FetchSessions {
    slots: usize,
    sessions: Mutex<HashMap<i32, Session>>,
}

#[derive(Debug)]
struct Session {
    /// Expected of the next request.
    epoch: i32,
    topic_ids: bool,
    created: Instant,
    used: Instant,
    /// In the order of replies: whoever had records goes last, so that all get their turn.
    order: BTreeMap<u64, Cached>,
    places: HashMap<(TopicKey, i32), u64>,
    next_place: u64,
}

/// A partition and what the consumer last heard of it.
#[derive(Debug)]
struct Cached {
    wanted: Wanted,
    high_watermark: i64,
    log_start_offset: i64,
}

impl FetchSessions {
    /// Room for `slots` sessions.
    pub(crate) fn new(slots: usize) -> FetchSessions {
        FetchSessions {
            slots,
            sessions: Mutex::default(),
        }
    }

    /// What `request` asks for, in the order it is to be served, and how to answer it.
    pub(crate) fn begin(
        &self,
        request: FetchRequest,
        version: i16,
    ) -> Result<(Vec<Wanted>, SessionUse), ErrorCode> {
        let topic_ids = version >= TOPIC_IDS_SINCE;
        let (id, epoch) = (request.session_id, request.session_epoch);
        match epoch {
            INITIAL_EPOCH | FINAL_EPOCH => {
                if id != NO_SESSION {
                    self.lock().remove(&id);
                }
                let use_of = if epoch == INITIAL_EPOCH {
                    SessionUse::Begin { topic_ids }
                } else {
                    SessionUse::Full
                };
                Ok((wanted(request, topic_ids), use_of))
            }
            _ => self.go_on(request, topic_ids),
        }
    }

    fn go_on(
        &self,
        request: FetchRequest,
        topic_ids: bool,
    ) -> Result<(Vec<Wanted>, SessionUse), ErrorCode> {
        let (id, epoch) = (request.session_id, request.session_epoch);
        let mut sessions = self.lock();
        let session = sessions
            .get_mut(&id)
            .ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if session.topic_ids != topic_ids {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        if session.epoch != epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        for topic in &request.forgotten_topics_data {
            let key = if topic_ids {
                TopicKey::Id(topic.topic_id)
            } else {
                TopicKey::Name(topic.topic.as_str().into())
            };
            for partition in &topic.partitions {
                session.forget(key.clone(), *partition);
            }
        }
        for wanted in wanted(request, topic_ids) {
            session.want(wanted);
        }
        if session.order.is_empty() {
            sessions.remove(&id);
            return Ok((Vec::new(), SessionUse::Full));
        }
        session.epoch = next_epoch(epoch);
        session.used = Instant::now();
        let wanted = session
            .order
            .values()
            .map(|cached| cached.wanted.clone())
            .collect();
        Ok((
            wanted,
            SessionUse::Incremental {
                id,
                epoch: session.epoch,
            },
        ))
    }

    /// The session id to answer with and the partitions to name.
    pub(crate) fn finish(
        &self,
        session_use: SessionUse,
        wanted: Vec<Wanted>,
        fetched: Vec<Fetched>,
    ) -> Result<(i32, Vec<Fetched>), ErrorCode> {
        match session_use {
            SessionUse::Full => Ok((NO_SESSION, fetched)),
            SessionUse::Begin { topic_ids } => {
                let id = self.create(topic_ids, wanted, &fetched);
                Ok((id, fetched))
            }
            SessionUse::Incremental { id, epoch } => {
                let mut sessions = self.lock();
                let session = sessions
                    .get_mut(&id)
                    .ok_or(ErrorCode::FetchSessionIdNotFound)?;
                if session.epoch != epoch {
                    return Err(ErrorCode::InvalidFetchSessionEpoch);
                }
                let mut named = fetched;
                named.retain(|fetched| session.hears(fetched));
                Ok((id, named))
            }
        }
    }

    fn create(&self, topic_ids: bool, wanted: Vec<Wanted>, fetched: &[Fetched]) -> i32 {
        let mut sessions = self.lock();
        if wanted.is_empty() || !make_room(&mut sessions, self.slots, wanted.len()) {
            return NO_SESSION;
        }
        let now = Instant::now();
        let mut session = Session {
            epoch: next_epoch(INITIAL_EPOCH),
            topic_ids,
            created: now,
            used: now,
            order: BTreeMap::new(),
            places: HashMap::new(),
            next_place: 0,
        };
        for wanted in wanted {
            session.want(wanted);
        }
        for fetched in fetched {
            session.hears(fetched);
        }
        loop {
            let id = rand::random_range(1..=i32::MAX);
            if let std::collections::hash_map::Entry::Vacant(vacant) = sessions.entry(id) {
                vacant.insert(session);
                return id;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i32, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn want(&mut self, wanted: Wanted) {
        let key = (wanted.topic.clone(), wanted.partition.partition);
        let place = self.places.get(&key);
        if let Some(cached) = place.and_then(|place| self.order.get_mut(place)) {
            cached.wanted = wanted;
        } else {
            let cached = Cached {
                wanted,
                high_watermark: -1,
                log_start_offset: -1,
            };
            self.put_last(key, cached);
        }
    }

    fn forget(&mut self, topic: TopicKey, partition: i32) {
        if let Some(place) = self.places.remove(&(topic, partition)) {
            self.order.remove(&place);
        }
    }

    fn put_last(&mut self, key: (TopicKey, i32), cached: Cached) {
        self.places.insert(key, self.next_place);
        self.order.insert(self.next_place, cached);
        self.next_place += 1;
    }

    /// Whether the consumer has to hear of this partition; remembers what it hears.
    fn hears(&mut self, fetched: &Fetched) -> bool {
        let key = (fetched.topic.clone(), fetched.data.partition_index);
        let Some(place) = self.places.get(&key).copied() else {
            return true;
        };
        let Some(cached) = self.order.get_mut(&place) else {
            return true;
        };
        let data = &fetched.data;
        let has_records = data
            .records
            .as_ref()
            .is_some_and(|records| !records.is_empty());
        let news = has_records
            || data.error_code != 0
            || data.diverging_epoch != EpochEndOffset::default()
            || data.high_watermark != cached.high_watermark
            || data.log_start_offset != cached.log_start_offset;
        // After an error the next reply must name the partition again.
        cached.high_watermark = if data.error_code == 0 {
            data.high_watermark
        } else {
            -1
        };
        cached.log_start_offset = data.log_start_offset;
        if has_records && let Some(cached) = self.order.remove(&place) {
            self.put_last(key, cached);
        }
        news
    }
}

/// Whether a session of `size` partitions finds room; takes away one that has to make it.
fn make_room(sessions: &mut HashMap<i32, Session>, slots: usize, size: usize) -> bool {
    if sessions.len() < slots {
        return true;
    }
    let unused = sessions.iter().min_by_key(|(_, session)| session.used);
    let unused = unused.filter(|(_, session)| session.used.elapsed() >= EVICTION);
    let victim = unused.or_else(|| {
        let lived = sessions.iter();
        let lived = lived.filter(|(_, session)| session.created.elapsed() >= EVICTION);
        let smallest = lived.min_by_key(|(_, session)| session.order.len());
        smallest.filter(|(_, session)| session.order.len() <= size)
    });
    let victim = victim.map(|(id, _)| *id);
    victim.is_some_and(|id| sessions.remove(&id).is_some())
}

fn next_epoch(epoch: i32) -> i32 {
    if epoch == i32::MAX { 1 } else { epoch + 1 }
}

fn wanted(request: FetchRequest, topic_ids: bool) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for topic in request.topics {
        let key = if topic_ids {
            TopicKey::Id(topic.topic_id)
        } else {
            TopicKey::Name(topic.topic.into())
        };
        wanted.extend(topic.partitions.into_iter().map(|partition| Wanted {
            topic: key.clone(),
            partition,
        }));
    }
    wanted
}

#[cfg(test)]
mod tests;
