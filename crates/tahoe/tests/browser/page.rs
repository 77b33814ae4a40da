//! A tab of a browser, used as a person does: by address, mouse, keyboard and what is seen.

use crate::chromium::Chromium;
use data_encoding::BASE64;
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tahoe_test_support::{Node, wait_until};

/// A screen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    pub(crate) name: &'static str,
    width: u32,
    height: u32,
    is_dark: bool,
}

pub(crate) const DESKTOP: Screen = Screen {
    name: "desktop",
    width: 1280,
    height: 900,
    is_dark: false,
};
pub(crate) const PHONE: Screen = Screen {
    name: "phone",
    width: 390,
    height: 844,
    is_dark: false,
};
pub(crate) const DARK: Screen = Screen {
    name: "dark",
    is_dark: true,
    ..DESKTOP
};

/// The names of a directory's entries that are shown.
const NAMES: &str = "[...document.querySelectorAll('tr[data-name]')]
    .filter(row => !row.hidden).map(row => row.dataset.name)";

/// What scrolls, or would with other fonts or longer texts, without being reachable by Tab and called
/// something.
const UNREACHABLE: &str = "[...document.body.querySelectorAll('*')].filter(element => {
        const {overflowX, overflowY} = getComputedStyle(element);
        const scrolls = [overflowX, overflowY].some(way => ['auto', 'scroll'].includes(way));
        const name = element.ariaLabel || element.getAttribute('aria-labelledby');
        const isField = element.matches('input, select, textarea, dialog');
        return scrolls && !isField && (element.tabIndex < 0 || !name);
    }).map(element => element.outerHTML.slice(0, 200))";

/// A tab.
#[derive(Debug)]
pub(crate) struct Page {
    browser: Rc<Chromium>,
    session: String,
    /// What addresses without a host belong to.
    site: String,
}

impl Page {
    /// Starts a browser for the pages of a node.
    pub(crate) fn of(node: &Node) -> Self {
        Self::with(Chromium::start(&[]), node.url())
    }

    /// A tab of a browser that was started by the test.
    pub(crate) fn with(browser: Chromium, site: String) -> Self {
        let target = json!({"url": "about:blank"});
        let target = browser.ask(None, "Target.createTarget", &target).unwrap();
        let target = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.ask(None, "Target.attachToTarget", &target).unwrap();
        let page = Self {
            session: attached["sessionId"].as_str().unwrap().to_owned(),
            browser: Rc::new(browser),
            site,
        };
        page.ask("Page.enable", &json!({}));
        page.show_on(DESKTOP);
        page
    }

    fn ask(&self, method: &str, parameters: &Value) -> Value {
        let answer = self.browser.ask(Some(&self.session), method, parameters);
        answer.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Changes the screen.
    pub(crate) fn show_on(&self, screen: Screen) {
        let metrics = json!({
            "width": screen.width, "height": screen.height, "deviceScaleFactor": 1,
            "mobile": screen.width < 600,
        });
        self.ask("Emulation.setDeviceMetricsOverride", &metrics);
        let scheme = if screen.is_dark { "dark" } else { "light" };
        let media = json!({"features": [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]});
        self.ask("Emulation.setEmulatedMedia", &media);
    }

    /// Keeps pages from running scripts.
    pub(crate) fn without_scripts(&self) {
        let value = json!({"value": true});
        self.ask("Emulation.setScriptExecutionDisabled", &value);
    }

    /// Opens an address, or a path of the site, and waits until it is there.
    pub(crate) fn open(&self, address: &str) {
        let url = match address.starts_with('/') {
            true => format!("{}{address}", self.site),
            false => address.to_owned(),
        };
        let opened = self.ask("Page.navigate", &json!({"url": url}));
        let is_there = || {
            let tree = self.ask("Page.getFrameTree", &json!({}));
            opened["loaderId"] == tree["frameTree"]["frame"]["loaderId"]
                && self.now_holds("document.readyState == 'complete'")
        };
        wait_until(address, is_there);
    }

    /// The value of an expression in the page, which may be a promise.
    pub(crate) fn value(&self, expression: &str) -> Value {
        self.evaluate(expression)
            .unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// The text that an expression gives.
    pub(crate) fn text(&self, expression: &str) -> String {
        let value = self.value(expression);
        value
            .as_str()
            .unwrap_or_else(|| panic!("{expression}: {value}"))
            .to_owned()
    }

    fn evaluate(&self, expression: &str) -> Result<Value, String> {
        let parameters = json!({
            "expression": expression, "returnByValue": true, "awaitPromise": true,
        });
        let method = "Runtime.evaluate";
        let answer = self.browser.ask(Some(&self.session), method, &parameters)?;
        match answer.get("exceptionDetails") {
            Some(details) => Err(details["exception"]["description"].to_string()),
            None => Ok(answer["result"]["value"].clone()),
        }
    }

    /// Whether an expression is true now; not while another page is coming.
    pub(crate) fn now_holds(&self, expression: &str) -> bool {
        self.evaluate(expression).is_ok_and(|value| value == true)
    }

    /// Waits until an expression is true.
    pub(crate) fn wait_for(&self, expression: &str) {
        let held = catch_unwind(AssertUnwindSafe(|| {
            wait_until(expression, || self.now_holds(expression));
        }));
        if held.is_err() {
            self.picture("failed");
            panic!("{expression}: not so in {}", self.shown());
        }
    }

    /// Waits until the page shows a text.
    pub(crate) fn wait_for_text(&self, text: &str) {
        let text = json!(text);
        self.wait_for(&format!("document.body.innerText.includes({text})"));
    }

    /// Everything that the page shows.
    pub(crate) fn shown(&self) -> String {
        self.text("document.body.innerText")
    }

    /// The names that a directory's page lists and shows, in its order.
    pub(crate) fn names(&self) -> Vec<String> {
        let names = self.value(NAMES);
        serde_json::from_value(names).unwrap()
    }

    /// Waits until a directory's page lists these names.
    pub(crate) fn wait_for_names(&self, names: &[&str]) {
        self.wait_for(&format!("{NAMES}.join('/') == {:?}", names.join("/")));
    }

    /// Clicks in the middle of an element, when it is there and nothing covers it.
    pub(crate) fn click(&self, selector: &str) {
        let place = format!(
            "(() => {{
                const element = document.querySelector({});
                // Chromium drops clicks before a new page was painted.
                const isPainted = performance.getEntriesByType('paint').length > 0;
                if (!element || !isPainted) return null;
                element.scrollIntoView({{block: 'center', behavior: 'instant'}});
                const box = element.getBoundingClientRect();
                const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
                const top = document.elementFromPoint(x, y);
                return element.contains(top) ? [x, y] : null;
            }})()",
            json!(selector)
        );
        let what = format!("{selector} can be clicked");
        wait_until(&what, || self.now_holds(&format!("{place} != null")));
        let place = self.value(&place);
        self.click_at(&place[0], &place[1]);
    }

    /// Clicks, whatever is there.
    pub(crate) fn click_at(&self, x: &Value, y: &Value) {
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({
                "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1,
            });
            self.ask("Input.dispatchMouseEvent", &event);
        }
    }

    /// Puts a text into a field, as if it was typed.
    pub(crate) fn fill(&self, selector: &str, text: &str) {
        let field = json!(selector);
        self.wait_for(&format!("document.querySelector({field}) != null"));
        self.value(&format!(
            "document.querySelector({field}).focus(), document.querySelector({field}).select()"
        ));
        self.ask("Input.insertText", &json!({"text": text}));
    }

    /// Presses a key such as `Enter`, `Escape` or `Tab`.
    pub(crate) fn press(&self, key: &str) {
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            "Tab" => (9, ""),
            " " => (32, " "),
            other => panic!("no test presses {other} yet"),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({"type": kind, "key": key, "windowsVirtualKeyCode": code});
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = text.into();
            }
            self.ask("Input.dispatchKeyEvent", &event);
        }
    }

    /// Chooses files in a file field.
    pub(crate) fn choose_files(&self, selector: &str, files: &[&Path]) {
        let document = self.ask("DOM.getDocument", &json!({}));
        let query = json!({"nodeId": document["root"]["nodeId"], "selector": selector});
        let field = self.ask("DOM.querySelector", &query);
        let files = json!({"nodeId": field["nodeId"], "files": files});
        self.ask("DOM.setFileInputFiles", &files);
    }

    /// Drops files and folders onto an element.
    pub(crate) fn drop_files(&self, selector: &str, files: &[&Path]) {
        let place = self.value(&format!(
            "(() => {{
                const box = document.querySelector({}).getBoundingClientRect();
                return [box.x + box.width / 2, box.y + 10];
            }})()",
            json!(selector)
        ));
        for kind in ["dragEnter", "dragOver", "drop"] {
            let event = json!({
                "type": kind, "x": place[0], "y": place[1],
                "data": {"items": [], "files": files, "dragOperationsMask": 1},
            });
            self.ask("Input.dispatchDragEvent", &event);
        }
    }

    /// The addresses that the frames of the page show.
    pub(crate) fn frames(&self) -> Vec<String> {
        let tree = self.ask("Page.getFrameTree", &json!({}));
        let frames = tree["frameTree"]["childFrames"].as_array().unwrap();
        let url = |frame: &Value| frame["frame"]["url"].as_str().unwrap().to_owned();
        frames.iter().map(url).collect()
    }

    /// Keeps a picture of the whole page in `target/screenshots`.
    pub(crate) fn picture(&self, name: &str) {
        let wanted = json!({"format": "png", "captureBeyondViewport": true});
        let picture = self.ask("Page.captureScreenshot", &wanted);
        let picture = picture["data"].as_str().unwrap().as_bytes();
        let folder = target().join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{name}.png"));
        std::fs::write(file, BASE64.decode(picture).unwrap()).unwrap();
    }

    /// Looks at the page on every screen: keeps a picture, and fails if something is cut off at the
    /// side, if keys can't scroll something, or if axe-core finds something that is serious for people
    /// who can't see or use a mouse.
    pub(crate) fn inspect(&self, name: &str) {
        for screen in [DESKTOP, DARK, PHONE] {
            self.show_on(screen);
            self.picture(&format!("{name}-{}", screen.name));
            let seen = format!("{name} on {}", screen.name);
            let width = self.value("document.documentElement.scrollWidth");
            assert!(
                width.as_u64() <= Some(screen.width.into()),
                "{seen}: {width} wide"
            );
            let unreachable = self.value(UNREACHABLE);
            assert_eq!(unreachable, json!([]), "{seen}: keys can't scroll it");
            let problems = self.serious_problems();
            assert!(problems.is_empty(), "{seen}: {problems:#?}");
        }
        self.show_on(DESKTOP);
    }

    fn serious_problems(&self) -> Vec<Value> {
        let axe = target().join("browser/axe_playwright_python/axe.min.js");
        let axe = std::fs::read_to_string(&axe).unwrap_or_else(|error| {
            panic!("axe-core is not installed, run `cargo xtask browser`: {error}")
        });
        self.value(&format!("{axe}; true"));
        let found = self.value(
            "axe.run(document, {resultTypes: ['violations']}).then(found => found.violations
                .filter(violation => ['serious', 'critical'].includes(violation.impact))
                .map(violation => [violation.id, violation.nodes.map(node => node.html)]))",
        );
        found.as_array().unwrap().clone()
    }
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target")
}
