//! The objects that others may ask for by name.

use crate::connection::lock;
use crate::object::address;
use crate::{Furl, Referenceable, Swissnum, TubError, TubId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Objects and their names. The names are secrets: a hash table's timing tells nothing of use.
pub(crate) struct Names {
    tub_id: TubId,
    location: Vec<String>,
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    by_name: HashMap<String, Arc<dyn Referenceable>>,
    by_address: HashMap<usize, Swissnum>,
}

impl Names {
    pub(super) fn new(tub_id: TubId, location: Vec<String>) -> Self {
        Self {
            tub_id,
            location,
            tables: Mutex::default(),
        }
    }

    /// Names an object; one that has a name keeps it.
    pub(super) fn register(
        &self,
        object: Arc<dyn Referenceable>,
        name: Swissnum,
    ) -> Result<Furl, TubError> {
        let mut tables = lock(&self.tables);
        let address = address(&object);
        if let Some(name) = tables.by_address.get(&address) {
            return Ok(self.furl(name));
        }
        if tables.by_name.contains_key(name.as_str()) {
            return Err(TubError::NameTaken);
        }
        tables.by_name.insert(name.as_str().to_owned(), object);
        tables.by_address.insert(address, name.clone());
        Ok(self.furl(&name))
    }

    pub(super) fn unregister(&self, object: &Arc<dyn Referenceable>) {
        let mut tables = lock(&self.tables);
        if let Some(name) = tables.by_address.remove(&address(object)) {
            tables.by_name.remove(name.as_str());
        }
    }

    /// Forgets all objects, so that what they hold is let go.
    pub(super) fn clear(&self) {
        let tables = std::mem::take(&mut *lock(&self.tables));
        drop(tables);
    }

    pub(crate) fn object(&self, name: &str) -> Option<Arc<dyn Referenceable>> {
        lock(&self.tables).by_name.get(name).cloned()
    }

    /// The FURL of an object that has a name, if the tub says where it is.
    pub(crate) fn furl_of(&self, object: &Arc<dyn Referenceable>) -> Option<String> {
        let tables = lock(&self.tables);
        let name = tables.by_address.get(&address(object))?;
        (!self.location.is_empty()).then(|| self.furl(name).to_text().to_string())
    }

    fn furl(&self, name: &Swissnum) -> Furl {
        Furl {
            tub_id: self.tub_id,
            hints: self.location.clone(),
            swissnum: name.clone(),
        }
    }
}
