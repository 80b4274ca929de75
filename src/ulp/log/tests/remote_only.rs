//! A log that lies with a peer: lost connections, peers that restart, and others who had the log meanwhile.

use super::*;
use crate::fabric::storage::forget::Forgetful;
use crate::ndk::{Adapter, Status};
use crate::ulp::region::RegionServer;
use std::net::SocketAddr;

/// A disk, and the peer that serves it at an address that stays.
struct Home {
    disk: Forgetful,
    net: String,
    address: SocketAddr,
    server: Option<RegionServer>,
}

const REGIONS: u32 = 3;

impl Home {
    fn new(seed: u64) -> Result<Self, LogError> {
        let (disk, net) = (Forgetful::new(seed), bed::a_net());
        let server = bed::serve(&disk, &net, None, remote::parts(REGIONS, CONTAINER as usize))?;
        Ok(Self { disk, net, address: server.address(), server: Some(server) })
    }

    fn adapter(&self) -> Adapter {
        Adapter::open(&self.net).expect("a NET in this process")
    }

    /// The power of the peer goes, and comes again.
    fn restart(&mut self, seed: u64) -> Result<(), LogError> {
        self.server = None;
        self.disk = self.disk.crash(seed);
        let parts = remote::parts(REGIONS, CONTAINER as usize);
        self.server = Some(bed::serve(&self.disk, &self.net, Some(self.address), parts)?);
        Ok(())
    }

    fn create(&self) -> Result<(Log, MarshallingArea), LogError> {
        let log = Log::create_remote(self.adapter(), self.address, bed::NAME, Bed::options())?;
        log.add_containers(2, Some(CONTAINER))?;
        let area = log.area(area_options())?;
        Ok((log, area))
    }

    fn open(&self) -> Result<(Log, MarshallingArea), LogError> {
        let log = Log::open_remote(self.adapter(), self.address, bed::NAME, Bed::options())?;
        let area = log.area(area_options())?;
        Ok((log, area))
    }

    fn wait_until_free(&self) {
        self.server.as_ref().expect("it serves").wait_until_free(bed::NAME);
    }
}

#[test]
fn a_lost_connection_is_told_and_made_anew() -> Outcome {
    for seed in 0..16 {
        let mut home = Home::new(seed)?;
        let (log, area) = home.create()?;
        let kept = append_stable(&area, b"acknowledged")?;
        append(&area, b"pending")?;
        home.restart(seed)?;
        let error = area.flush_buffers().wait().expect_err("nobody is connected");
        ensure!(error.status() == LogStatus::LOG_APPENDED_FLUSH_FAILED, "{error}");
        ensure!(error.to_string().contains("the connection to the peer is lost"), "{error}");
        ensure!(log.info().failed, "it does not say so");
        ensure!(status(append(&area, b"more")) == Some(LogStatus::LOG_STATE_INVALID), "it takes records");
        ensure!(status(read(&area, kept)) == Some(LogStatus::LOG_CONTAINER_READ_FAILED), "it reads");
        area.rewrite().wait()?;
        append_stable(&area, b"afterwards")?;
        let expected = [b"acknowledged".to_vec(), b"pending".to_vec(), b"afterwards".to_vec()];
        ensure!(data(&log, &area)? == expected, "seed {seed}: the log goes on");
        drop((log, area));
        home.restart(seed)?;
        let (log, area) = home.open()?;
        ensure!(data(&log, &area)? == expected, "seed {seed}: recovered");
    }
    Ok(())
}

#[test]
fn while_nobody_serves_a_rewrite_fails_and_may_be_tried_again() -> Outcome {
    let mut home = Home::new(1)?;
    let (log, area) = home.create()?;
    append(&area, b"pending")?;
    home.server = None;
    ensure!(area.flush_buffers().wait().is_err(), "success without a peer");
    for _ in 0..2 {
        let error = area.rewrite().wait().expect_err("nobody serves");
        ensure!(error.status() == LogStatus::NETWORK_UNREACHABLE, "{error}");
        ensure!(error.remote_status() == Some(Status::CONNECTION_REFUSED), "{error}");
        ensure!(error.to_string().contains("STATUS_CONNECTION_REFUSED"), "{error}");
        ensure!(log.info().failed, "it takes records");
    }
    home.restart(1)?;
    area.rewrite().wait()?;
    ensure!(data(&log, &area)? == [b"pending"], "the record");
    Ok(())
}

#[test]
fn who_had_the_log_before_cannot_write_over_who_has_it_now() -> Outcome {
    let mut home = Home::new(1)?;
    let (log, area) = home.create()?;
    append_stable(&area, b"of the first")?;
    append(&area, b"never stable")?;
    home.restart(1)?;
    let (second, its_area) = home.open()?;
    append_stable(&its_area, b"of the second")?;
    let expected = [b"of the first".to_vec(), b"of the second".to_vec()];
    ensure!(area.flush_buffers().wait().is_err(), "the first still writes");
    let error = area.rewrite().wait().expect_err("the second has it");
    ensure!(error.status() == LogStatus::SHARING_VIOLATION, "{error}");
    drop((its_area, second));
    home.wait_until_free();
    for _ in 0..2 {
        let error = area.rewrite().wait().expect_err("the second has had it");
        ensure!(error.status() == LogStatus::LOG_STATE_INVALID && log.info().failed, "{error}");
        ensure!(area.advance_base(log.info().base).is_err(), "the first changes the metadata");
    }
    drop((area, log));
    home.wait_until_free();
    let (log, area) = home.open()?;
    ensure!(data(&log, &area)? == expected, "what the second has written");
    Ok(())
}

#[test]
fn a_log_has_one_user_and_as_many_containers_as_there_are_regions() -> Outcome {
    let home = Home::new(1)?;
    ensure!(status(home.open()) == Some(LogStatus::OBJECT_NAME_NOT_FOUND), "nothing is there");
    home.wait_until_free();
    let (log, area) = home.create()?;
    ensure!(status(home.open()) == Some(LogStatus::SHARING_VIOLATION), "opened twice");
    let full = log.add_containers(2, None).expect_err("there are three regions");
    ensure!(full.status() == LogStatus::DISK_FULL, "{full}");
    ensure!(log.info().containers.len() == 2, "one was added");
    log.add_containers(1, None)?;
    log.remove_container(2, true)?;
    log.add_containers(1, None)?; // a region that was given back
    append_stable(&area, b"a")?;
    drop((area, log));
    home.wait_until_free();
    let made_again = Log::create_remote(home.adapter(), home.address, bed::NAME, Bed::options());
    ensure!(status(made_again) == Some(LogStatus::OBJECT_NAME_COLLISION), "made twice");
    home.wait_until_free();
    let nowhere = SocketAddr::new(home.address.ip(), 1);
    let other = Log::open_remote(home.adapter(), nowhere, bed::NAME, Bed::options());
    ensure!(status(other) == Some(LogStatus::NETWORK_UNREACHABLE), "nobody is there");
    let other = Log::open_remote(home.adapter(), home.address, "another", Bed::options());
    ensure!(status(other) == Some(LogStatus::OBJECT_NAME_NOT_FOUND), "the peer offers no such regions");
    let (log, area) = home.open()?;
    ensure!(data(&log, &area)? == [b"a"], "the record");
    Ok(())
}

#[test]
fn containers_longer_than_the_regions_are_refused() -> Outcome {
    let home = Home::new(1)?;
    let log = Log::create_remote(home.adapter(), home.address, bed::NAME, Bed::options())?;
    let long = log.add_containers(2, Some(2 * CONTAINER)).expect_err("a region is shorter");
    ensure!(long.status() == LogStatus::LOG_CONTAINER_WRITE_FAILED, "{long}");
    ensure!(long.to_string().contains("the file ends before"), "{long}");
    log.add_containers(2, Some(CONTAINER))?;
    append_stable(&log.area(area_options())?, b"the connection holds")?;
    Ok(())
}
