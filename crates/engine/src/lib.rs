//! Documents and collections: schema, segments, filters, search, fusion, evaluation, and the wire types.
