//! tenantry: a modular monolith for multi-tenant SaaS.
//!
//! This crate knows every module and none knows it: configuration ([`config`]), the composition root
//! ([`bootstrap`]), the HTTP delivery ([`http`]) and the commands ([`cli`]). `ARCHITECTURE.md` is the map.

pub mod bootstrap;
pub mod cli;
pub mod config;
pub mod http;
pub mod logs;
