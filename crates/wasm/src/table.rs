//! Open handles by number. Numbers are never reused.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use tercet_engine::api::Handle;

#[derive(Default)]
struct Table {
    last: u32,
    open: BTreeMap<u32, Arc<dyn Handle>>,
}

thread_local! {
    static TABLE: RefCell<Table> = RefCell::default();
}

/// Keeps a handle and gives its number, from 1.
pub(crate) fn insert(handle: Arc<dyn Handle>) -> u32 {
    TABLE.with_borrow_mut(|table| {
        loop {
            table.last = table.last.wrapping_add(1);
            // Four thousand million handles are a program's life; the check keeps the promise all the same.
            if table.last != 0 && !table.open.contains_key(&table.last) {
                break;
            }
        }
        table.open.insert(table.last, handle);
        table.last
    })
}

/// The handle of a number, unless it is closed.
pub(crate) fn get(number: u32) -> Option<Arc<dyn Handle>> {
    TABLE.with_borrow(|table| table.open.get(&number).cloned())
}

/// Takes a handle out.
pub(crate) fn remove(number: u32) -> Option<Arc<dyn Handle>> {
    TABLE.with_borrow_mut(|table| table.open.remove(&number))
}
