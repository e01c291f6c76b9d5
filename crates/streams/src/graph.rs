//! The wiring of one task: typed ports that operators hand records to, and cells that several of them share.
//!
//! An operator's closure owns what it needs and names the rest by index, so a task moves between threads as a whole
//! and nothing in it is locked or counted. Indexes are given by the builder and are the same in every task.

use std::any::Any;
use std::marker::PhantomData;

use crate::context::Context;
use crate::error::Failure;
use crate::record::Record;

/// What an operator does with a record.
pub(crate) type Receive<K, V> =
    Box<dyn FnMut(&mut Context<'_>, Record<K, V>) -> Result<(), Failure> + Send>;

/// Where an operator's results leave it; at most one port is behind it.
pub(crate) struct Out<K, V> {
    index: usize,
    types: PhantomData<fn(K, V)>,
}

impl<K, V> Clone for Out<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for Out<K, V> {}

/// A value of type `T` in the task that several closures share, one after the other.
pub(crate) struct Cell<T> {
    index: usize,
    types: PhantomData<fn(T)>,
}

impl<T> Clone for Cell<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Cell<T> {}

/// The ports and cells of a task.
#[derive(Default)]
pub(crate) struct Graph {
    ports: Vec<Option<Box<dyn Any + Send>>>,
    cells: Vec<Option<Box<dyn Any + Send>>>,
}

impl Graph {
    /// A place for results, with no port behind it yet.
    pub(crate) fn out<K, V>(&mut self) -> Out<K, V> {
        self.ports.push(None);
        Out {
            index: self.ports.len() - 1,
            types: PhantomData,
        }
    }

    /// Puts a port behind `out`.
    ///
    /// # Panics
    /// If there is one already: a stream has one reader, `tee` makes two of it.
    pub(crate) fn connect<K: 'static, V: 'static>(&mut self, out: Out<K, V>, port: Receive<K, V>) {
        let place = &mut self.ports[out.index];
        assert!(place.is_none(), "an output is read once");
        *place = Some(Box::new(port));
    }

    /// A shared value.
    pub(crate) fn cell<T: Send + 'static>(&mut self, value: T) -> Cell<T> {
        self.cells.push(Some(Box::new(value)));
        Cell {
            index: self.cells.len() - 1,
            types: PhantomData,
        }
    }

    /// Takes the port behind `out`; while it runs its place is empty, which a topology without cycles never sees.
    fn take<K: 'static, V: 'static>(&mut self, out: Out<K, V>) -> Option<Box<dyn Any + Send>> {
        self.ports[out.index].take()
    }
}

impl Context<'_> {
    /// Hands a record to whatever is behind `out`: depth first, it returns when the record is through.
    pub(crate) fn forward<K: 'static, V: 'static>(
        &mut self,
        out: Out<K, V>,
        record: Record<K, V>,
    ) -> Result<(), Failure> {
        let Some(mut port) = self.graph.take(out) else {
            return Ok(());
        };
        let receive = port
            .downcast_mut::<Receive<K, V>>()
            .expect("the builder connects ports of one type");
        let result = receive(self, record);
        self.graph.ports[out.index] = Some(port);
        result
    }

    /// Whether anything is behind `out`.
    pub(crate) fn is_read<K, V>(&self, out: Out<K, V>) -> bool {
        self.graph.ports[out.index].is_some()
    }

    /// Lends the cell's value together with the context. Cells are not lent twice at once.
    pub(crate) fn with_cell<T: Send + 'static, R>(
        &mut self,
        cell: Cell<T>,
        f: impl FnOnce(&mut Self, &mut T) -> R,
    ) -> R {
        let mut value = self.graph.cells[cell.index]
            .take()
            .expect("a cell is lent once at a time");
        let result = f(
            self,
            value
                .downcast_mut::<T>()
                .expect("a cell keeps the type it was made with"),
        );
        self.graph.cells[cell.index] = Some(value);
        result
    }
}
