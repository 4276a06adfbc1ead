//! Who asks: a login by HTTP Basic, which the host makes, and the token it gives. The token is in no error and no log.

use std::cell::RefCell;

use lowtide_region_sdk::{Error, Response, config_or, excerpt, fetch, is_success, read_json, refusal, send};
use serde::Deserialize;

use crate::Asked;
pub(crate) use crate::answer::Told;

const EXPIRED: u16 = 401;
const FORBIDDEN: u16 = 403;
const NOT_FOUND: u16 = 404;

/// An account, for as long as its token holds. The host forgets a guest after each call, so each call logs in.
pub(crate) struct Account {
    session: RefCell<Session>,
}

struct Session {
    token: String,
    /// A token lives for half an hour and a call for half a minute: one that ends is fetched anew once.
    renewed: bool,
}

#[derive(Deserialize)]
struct Login {
    token: String,
}

impl Account {
    pub(crate) fn login() -> Result<Self, Error> {
        Ok(Self { session: RefCell::new(Session { token: login()?, renewed: false }) })
    }

    /// Asks for data, and checks that they are what was asked for.
    pub(crate) fn ask(&self, asked: &Asked, address: &str) -> Result<Told, Error> {
        let url = format!("{}{address}", base());
        let mut response = self.send(&url)?;
        if response.status == EXPIRED && !self.session.borrow().renewed {
            *self.session.borrow_mut() = Session { token: login()?, renewed: true };
            response = self.send(&url)?;
        }
        if !is_success(&response) {
            return Err(refused(asked, &url, &response));
        }
        let told: Told = read_json(&url, &response)?;
        told.check(asked)?;
        Ok(told)
    }

    fn send(&self, url: &str) -> Result<Response, Error> {
        let authorization = format!("Bearer {}", self.session.borrow().token);
        send(url, &[("authorization", &authorization)])
    }
}

fn refused(asked: &Asked, url: &str, response: &Response) -> Error {
    let Asked { region, signal, .. } = asked;
    match response.status {
        FORBIDDEN => {
            let said = excerpt(&response.body);
            Error::Unauthorized(format!("your WattTime plan has no {signal} of {region} (HTTP 403): {said}"))
        }
        NOT_FOUND => Error::InvalidRegion(format!("WattTime has no {signal} of {region} (HTTP 404)")),
        _ => refusal(url, response),
    }
}

fn login() -> Result<String, Error> {
    let response = fetch(&format!("{}/login", base()), &[])?;
    // What the reader says of the answer could hold the token.
    let login: Login = serde_json::from_slice(&response.body)
        .map_err(|_| Error::Malformed("WattTime's login answered without a token".into()))?;
    let usable = !login.token.is_empty() && login.token.bytes().all(|byte| byte.is_ascii_graphic());
    if usable { Ok(login.token) } else { Err(Error::Malformed("WattTime's login answered a token of no use".into())) }
}

fn base() -> String {
    config_or("base-url", "https://api.watttime.org").trim_end_matches('/').to_owned()
}
