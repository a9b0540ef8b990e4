//! tenantry: a modular monolith for multi-tenant SaaS.
//!
//! This crate depends on every module, and no module depends on it. It contains the configuration ([`config`]), the
//! list of modules ([`services`]), their assembly ([`bootstrap`]), the HTTP layer ([`http`]) and the command line
//! ([`cli`]). `ARCHITECTURE.md` describes the whole.

pub mod background;
pub mod bootstrap;
pub mod cli;
pub mod config;
pub mod http;
pub mod logs;
pub mod services;
