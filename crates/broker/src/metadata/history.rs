//! The images that may still have to be gone back to.
//!
//! An image is published when its records are appended, which is before they are on disk. Should
//! the disk fail in between, the newest image whose records did get there is the one to go on
//! with: reads stay up, and nothing is shown that a restart would take back.

use std::collections::VecDeque;
use std::sync::Arc;

use headwater_log::Position;

use super::image::Image;

/// The newest durable image and those after it, oldest first. As many as there are changes on
/// their way to the disk, which the journal's queue bounds.
#[derive(Debug)]
pub(super) struct History {
    images: VecDeque<Arc<Image>>,
}

impl History {
    pub(super) fn new(image: Arc<Image>) -> History {
        History {
            images: VecDeque::from([image]),
        }
    }

    /// Adds the image just published and forgets those a durable one has replaced.
    pub(super) fn push(&mut self, image: Arc<Image>, is_durable: impl Fn(Position) -> bool) {
        self.images.push_back(image);
        while self
            .images
            .get(1)
            .is_some_and(|next| is_durable(next.position()))
        {
            self.images.pop_front();
        }
    }

    /// The newest image that is on disk, for good.
    pub(super) fn go_back(&mut self, is_durable: impl Fn(Position) -> bool) -> Option<Arc<Image>> {
        while self.images.len() > 1 && !is_durable(self.images.back()?.position()) {
            self.images.pop_back();
        }
        self.images.back().cloned()
    }
}
