//! What the files of a Linux machine say of its RDMA devices.

use super::report::Finding;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A machine, and how this command was built for it.
#[derive(Debug)]
pub struct Machine {
    root: PathBuf,
    built: bool,
}

/// The newest libclang that the bindgen of rdma-sys understands.
const LIBCLANG_MAX: u32 = 15;
/// Locked memory with less than which registrations fail soon.
const LOCKED_MIN: u64 = 64 << 20;

impl Machine {
    /// The machine whose files are below `root`; `built`: this command has the feature `rdma-core`.
    pub fn new(root: impl AsRef<Path>, built: bool) -> Self {
        Self { root: root.as_ref().to_path_buf(), built }
    }

    pub fn is_built(&self) -> bool {
        self.built
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn has(&self, path: &str) -> bool {
        self.at(path).exists()
    }

    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.at(path)).ok().map(|text| text.trim().to_owned())
    }

    /// Names of what is in a folder, sorted; none if there is no folder.
    fn names(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.at(folder)) else { return Vec::new() };
        let mut names: Vec<_> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        names
    }

    /// Whether this command knows such devices, and else what building it with them takes.
    pub fn build(&self) -> Vec<Finding> {
        if self.built {
            return vec![Finding::good("built with the feature rdma-core")];
        }
        let mut findings = vec![Finding::bad(
            "built without the feature rdma-core",
            "build it: cargo build --release --features rdma-core",
        )];
        let headers = ["usr/include/infiniband/verbs.h", "usr/include/rdma/rdma_cma.h"];
        if !headers.iter().all(|header| self.has(header)) {
            let remedy = "apt-get install libibverbs-dev librdmacm-dev pkg-config";
            findings.push(Finding::bad("the headers of rdma-core are not there", remedy));
        }
        let versions = self.libclangs();
        if !versions.iter().any(|version| *version <= LIBCLANG_MAX) {
            let what = match versions.last() {
                None => "there is no libclang".to_owned(),
                Some(newest) => format!("libclang {newest} is too new for rdma-sys, which takes 15 or older"),
            };
            findings.push(Finding::bad(what, "apt-get install libclang-14-dev"));
        } else if versions.last().is_some_and(|newest| *newest > LIBCLANG_MAX) {
            let usable = versions.iter().rfind(|version| **version <= LIBCLANG_MAX).unwrap_or(&LIBCLANG_MAX);
            findings.push(Finding::note(
                "a libclang newer than 15 is there too, which bindgen would take",
                format!("build with LIBCLANG_PATH=/usr/lib/llvm-{usable}/lib"),
            ));
        }
        findings
    }

    /// Versions of libclang, as Debian lays them out, oldest first.
    fn libclangs(&self) -> Vec<u32> {
        let is_libclang = |name: &String| name.starts_with("libclang.so") || name.starts_with("libclang-1");
        let mut versions: Vec<u32> = self
            .names("usr/lib")
            .iter()
            .filter(|folder| self.names(&format!("usr/lib/{folder}/lib")).iter().any(is_libclang))
            .filter_map(|folder| folder.strip_prefix("llvm-")?.parse().ok())
            .collect();
        versions.sort_unstable();
        versions
    }

    /// Whether the kernel does RDMA, and with what.
    pub fn kernel(&self) -> Vec<Finding> {
        if !self.has("sys/class/infiniband") {
            let remedy = "as root: modprobe ib_uverbs && modprobe rdma_ucm, and the driver of the device \
                          (rdma_rxe is soft-RoCE); where a kernel has no such modules, tests/softroce/run runs \
                          one that has";
            return vec![Finding::bad("this kernel has no RDMA loaded", remedy)];
        }
        let devices = self.devices();
        let mut findings = vec![if devices.is_empty() {
            let remedy = "soft-RoCE, as root: modprobe rdma_rxe && rdma link add rxe0 type rxe netdev eth0";
            Finding::bad("the kernel has no RDMA device", remedy)
        } else {
            Finding::good(format!("the kernel has {}", devices.join(", ")))
        }];
        findings.push(self.node(
            "dev/infiniband/rdma_cm",
            "connection manager",
            "as root: modprobe rdma_ucm",
        ));
        findings
    }

    pub fn devices(&self) -> Vec<String> {
        self.names("sys/class/infiniband")
    }

    /// Whether a node of /dev can be opened to read and write.
    fn node(&self, path: &str, what: &str, missing: &str) -> Finding {
        match fs::OpenOptions::new().read(true).write(true).open(self.at(path)) {
            Ok(_) => Finding::good(format!("/{path}, the {what}, can be used")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Finding::bad(format!("there is no /{path}, the {what}"), missing)
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Finding::bad(
                format!("/{path}, the {what}, may not be used by this user"),
                "join the group that owns it (ls -l /dev/infiniband), or have udev rules of rdma-core give access",
            ),
            Err(error) => {
                Finding::bad(format!("/{path}, the {what}: {error}"), "see what the kernel says: dmesg")
            }
        }
    }

    /// Whether registrations may lock enough memory.
    pub fn locked_memory(&self) -> Finding {
        let limits = self.read("proc/self/limits").unwrap_or_default();
        let line = limits.lines().find_map(|line| line.strip_prefix("Max locked memory"));
        match line.and_then(|rest| rest.split_whitespace().next()) {
            None => Finding::note("the limit of locked memory is not known", "ulimit -l tells it"),
            Some("unlimited") => Finding::good("locked memory is not limited"),
            Some(soft) => match soft.parse::<u64>() {
                Ok(bytes) if bytes >= LOCKED_MIN => {
                    Finding::good(format!("{} MiB may be locked", bytes >> 20))
                }
                _ => Finding::bad(
                    format!("only {soft} bytes may be locked, and registered memory is"),
                    "ulimit -l unlimited, or a line `* - memlock unlimited` in /etc/security/limits.conf",
                ),
            },
        }
    }

    /// What keeps a device from being used.
    pub fn device(&self, name: &str) -> Vec<Finding> {
        let devices = self.devices();
        if !devices.iter().any(|known| known == name) {
            let known = if devices.is_empty() { "none".to_owned() } else { devices.join(", ") };
            return vec![Finding::bad(
                format!("the kernel has no device {name}; it has {known}"),
                "name one of those, or load the driver of this one",
            )];
        }
        vec![self.verbs_node(name), self.link(name), self.gid(name)]
    }

    fn verbs_node(&self, name: &str) -> Finding {
        let is_its = |node: &&String| {
            self.read(&format!("sys/class/infiniband_verbs/{node}/ibdev")).as_deref() == Some(name)
        };
        let nodes = self.names("sys/class/infiniband_verbs");
        match nodes.iter().find(is_its) {
            Some(node) => {
                let remedy = "as root: modprobe ib_uverbs, and see that udev runs";
                self.node(&format!("dev/infiniband/{node}"), "device node", remedy)
            }
            None => Finding::bad("it has no device node", "as root: modprobe ib_uverbs"),
        }
    }

    fn link(&self, name: &str) -> Finding {
        match self.read(&format!("sys/class/infiniband/{name}/ports/1/state")) {
            Some(state) if state.ends_with("ACTIVE") => Finding::good("its port is active"),
            state => Finding::bad(
                format!("its port is not active: {}", state.as_deref().unwrap_or("the kernel does not say")),
                "as root: ip link set NETDEV up, of its network interface (rdma link show names it); see the cable",
            ),
        }
    }

    fn gid(&self, name: &str) -> Finding {
        let folder = format!("sys/class/infiniband/{name}/ports/1/gids");
        let gids = self.names(&folder);
        let is_address =
            |gid: &String| !gid.starts_with("fe80:") && gid.chars().any(|c| !matches!(c, '0' | ':'));
        let found = gids.iter().filter_map(|index| self.read(&format!("{folder}/{index}"))).find(is_address);
        match found {
            Some(gid) => Finding::good(format!("it has the GID {gid}")),
            None => Finding::bad(
                "it has no GID with an IP address",
                "as root: ip address add ADDRESS/LENGTH dev NETDEV, of its network interface",
            ),
        }
    }
}
