//! What stands in the pages, without a browser.
