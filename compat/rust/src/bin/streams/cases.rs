//! The topologies that are compared, and what each is fed; `compat/java/STREAMS.md` has them in words.

/// A topology by the name that both programs know it by, and its inputs.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) inputs: &'static [Input],
    pub(crate) feed: Feed,
    pub(crate) order: Order,
}

/// How inputs come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feed {
    /// All is there before the programs start: the record with the lowest time is next.
    AtOnce,
    /// Bit by bit, each of one input and of a key once, and the next when the programs have nothing left to do: where
    /// parts of a topology talk with each other, what they say meets other records as luck has it.
    InPhases,
}

/// Which records of the output keep their order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// All of a partition.
    Partition,
    /// Those of a key: several tasks write to one partition.
    Key,
}

/// What an input topic holds.
pub(crate) struct Input {
    pub(crate) keys: u64,
    /// How many of ten records are this input's.
    pub(crate) share: u64,
    pub(crate) values: Values,
    /// How many of a hundred values are null.
    pub(crate) nulls: u64,
    /// How many of a hundred keys are null.
    pub(crate) null_keys: u64,
    pub(crate) kind: Kind,
}

/// What the topology makes of an input.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A task's own: its offsets are committed.
    OfTasks,
    /// A global table, which is read before all others.
    Global,
}

#[derive(Clone, Copy)]
pub(crate) enum Values {
    /// `v17`, after the record's number.
    Plain,
    /// Words that no key of another partition has: they are counted in the order of their partition.
    Words,
    /// `g2-1|v17`: a group that no key of another partition has.
    Grouped,
    /// `g2-1|17`: an amount in such a group.
    Amount,
    /// `k3|v17`: one of so many keys of the other input, or one that it does not have, or `-` for none.
    Foreign(u64),
}

const STREAM: Input = Input {
    keys: 8,
    share: 10,
    values: Values::Plain,
    nulls: 0,
    null_keys: 3,
    kind: Kind::OfTasks,
};

const WITH_NULLS: Input = Input { nulls: 4, ..STREAM };

/// One side of a join of streams.
const SIDE: Input = Input {
    share: 5,
    ..WITH_NULLS
};

/// A table that a stream joins with.
const BESIDE: Input = Input {
    keys: 8,
    share: 4,
    values: Values::Plain,
    nulls: 15,
    null_keys: 0,
    kind: Kind::OfTasks,
};

const ROWS: Input = Input { share: 5, ..BESIDE };

const FOREIGN: &[Input] = &[
    Input {
        keys: 30,
        values: Values::Foreign(8),
        ..ROWS
    },
    ROWS,
];

const GLOBAL: &[Input] = &[
    Input {
        share: 6,
        values: Values::Foreign(8),
        ..STREAM
    },
    Input {
        kind: Kind::Global,
        ..BESIDE
    },
];

const fn at_once(name: &'static str, inputs: &'static [Input]) -> Case {
    Case {
        name,
        inputs,
        feed: Feed::AtOnce,
        order: Order::Partition,
    }
}

const fn by_key(name: &'static str, inputs: &'static [Input]) -> Case {
    Case {
        order: Order::Key,
        ..at_once(name, inputs)
    }
}

const fn in_phases(name: &'static str, inputs: &'static [Input]) -> Case {
    Case {
        feed: Feed::InPhases,
        ..by_key(name, inputs)
    }
}

pub(crate) const CASES: &[Case] = &[
    by_key(
        "word-count",
        &[Input {
            values: Values::Words,
            ..STREAM
        }],
    ),
    at_once("count-tumbling", &[STREAM]),
    at_once("count-hopping", &[STREAM]),
    at_once("count-sliding", &[STREAM]),
    at_once("count-session", &[STREAM]),
    at_once("reduce", &[WITH_NULLS]),
    at_once("aggregate-final", &[STREAM]),
    at_once("suppress", &[STREAM]),
    at_once("stream-join-inner", &[SIDE, SIDE]),
    at_once("stream-join-left", &[SIDE, SIDE]),
    at_once("stream-join-outer", &[SIDE, SIDE]),
    at_once("stream-table-join-inner", &[SIDE, BESIDE]),
    at_once("stream-table-join-left", &[SIDE, BESIDE]),
    at_once("table-table-join-inner", &[ROWS, ROWS]),
    at_once("table-table-join-left", &[ROWS, ROWS]),
    at_once("table-table-join-outer", &[ROWS, ROWS]),
    in_phases("foreign-key-join-inner", FOREIGN),
    in_phases("foreign-key-join-left", FOREIGN),
    at_once("global-table-join-inner", GLOBAL),
    at_once("global-table-join-left", GLOBAL),
    at_once("versioned-table-join", &[SIDE, BESIDE]),
    at_once("versioned-table-join-grace", &[SIDE, BESIDE]),
    by_key(
        "repartition-by-new-key",
        &[Input {
            values: Values::Grouped,
            ..STREAM
        }],
    ),
    at_once("cogroup", &[SIDE, SIDE]),
    by_key(
        "table-group-by",
        &[Input {
            keys: 12,
            values: Values::Amount,
            ..ROWS
        }],
    ),
];
