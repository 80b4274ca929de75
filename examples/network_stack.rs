//! A network stack whose network card is a queue pair: a file goes over TCP between two smoltcp interfaces.

mod connect;

use connect::connect;
use qpair::ndk::{
    Adapter, Completion, Cq, CqNotify, Memory, Mr, MrFlags, OpFlags, OperationType, Pd, Qp, QpDescription,
    Sge, Status,
};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};
use std::collections::VecDeque;
use std::error::Error;

/// Bytes of the longest packet.
const MTU: usize = 9000;
/// Packets that may be on their way in, and as many on their way out.
const SLOTS: usize = 32;

/// A network card: slots `0..SLOTS` of its memory are posted as receives, the others are sent from.
struct Card {
    qp: Qp,
    cq: Cq,
    memory: Mr,
    /// Slots that nothing is sent from.
    free: VecDeque<usize>,
    /// Slots with a packet, and its length.
    arrived: VecDeque<(usize, usize)>,
}

impl Card {
    fn new(adapter: &Adapter, pd: &Pd) -> Result<Self, Box<dyn Error>> {
        let cq = adapter.create_cq(2 * SLOTS as u32, CqNotify::None).wait()?;
        let depth = SLOTS as u32;
        let description = QpDescription::new(&cq).initiator_depth(depth).receive_depth(depth);
        let qp = pd.create_qp(description).wait()?;
        let memory = pd.register(Memory::zeroed(2 * SLOTS * MTU)?, MrFlags::ALLOW_LOCAL_WRITE).wait()?;
        let card = Self { qp, cq, memory, free: (SLOTS..2 * SLOTS).collect(), arrived: VecDeque::new() };
        (0..SLOTS).try_for_each(|slot| card.receive_into(slot))?;
        Ok(card)
    }

    fn bytes(&self, slot: usize, length: usize) -> Sge {
        self.memory.sge(slot * MTU..slot * MTU + length).expect("a slot holds a packet")
    }

    fn receive_into(&self, slot: usize) -> Result<(), qpair::ndk::PostError> {
        self.qp.receive(slot as u64, &[self.bytes(slot, MTU)])
    }

    fn look(&mut self) {
        let mut completion = [Completion::default()];
        while self.cq.poll(&mut completion) > 0 {
            let [done] = completion;
            assert_eq!(done.status, Status::SUCCESS, "the cable is cut");
            match done.kind {
                OperationType::Receive => {
                    self.arrived.push_back((done.request_context as usize, done.bytes_transferred as usize));
                }
                _ => self.free.push_back(done.request_context as usize),
            }
        }
    }
}

impl Device for Card {
    type RxToken<'a> = Packet;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Packet, Room<'_>)> {
        self.look();
        if self.free.is_empty() {
            return None; // smoltcp wants to be able to answer
        }
        let (slot, length) = self.arrived.pop_front()?;
        let mut packet = vec![0; length];
        self.memory.read(slot * MTU, &mut packet).expect("it lies in its slot");
        self.receive_into(slot).expect("one receive has just completed");
        Some((Packet(packet), Room(self)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Room<'_>> {
        self.look();
        if self.free.is_empty() { None } else { Some(Room(self)) }
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        (capabilities.medium, capabilities.max_transmission_unit) = (Medium::Ip, MTU);
        capabilities
    }
}

/// A packet that has arrived.
struct Packet(Vec<u8>);

impl RxToken for Packet {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

/// Room for a packet to send.
struct Room<'c>(&'c mut Card);

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        let card = self.0;
        let mut packet = vec![0; length];
        let result = fill(&mut packet);
        let slot = card.free.pop_front().expect("looked at before the token was made");
        card.memory.write(slot * MTU, &packet).expect("smoltcp keeps to the MTU");
        card.qp.send(slot as u64, &[card.bytes(slot, length)][..], OpFlags::NONE).expect("a slot is free");
        result
    }
}

/// A host: a card, an interface on it, and one TCP socket.
struct Host {
    card: Card,
    interface: Interface,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
}

impl Host {
    fn new(mut card: Card, address: IpAddress) -> Self {
        let mut interface = Interface::new(Config::new(HardwareAddress::Ip), &mut card, Instant::now());
        interface.update_ip_addrs(|addresses| {
            addresses.push(IpCidr::new(address, 24)).expect("the first address has room");
        });
        let buffer = || tcp::SocketBuffer::new(vec![0; 1 << 18]);
        let mut sockets = SocketSet::new(Vec::new());
        let socket = sockets.add(tcp::Socket::new(buffer(), buffer()));
        Self { card, interface, sockets, socket }
    }

    fn poll(&mut self) -> &mut tcp::Socket<'static> {
        self.interface.poll(Instant::now(), &mut self.card, &mut self.sockets);
        self.sockets.get_mut(self.socket)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let place = if std::env::args_os().nth(1).is_some_and(|first| first == "--device") { 3 } else { 1 };
    let path = std::env::args_os().nth(place).map_or_else(std::env::current_exe, |path| Ok(path.into()))?;
    let file = std::fs::read(&path)?;

    let adapter = connect::open()?;
    let pd = adapter.create_pd().wait()?;
    let (left, right) = (Card::new(&adapter, &pd)?, Card::new(&adapter, &pd)?);
    let _cable = connect(&adapter, &left.qp, &right.qp)?;

    let (from, to) = (IpAddress::v4(10, 0, 0, 1), IpAddress::v4(10, 0, 0, 2));
    let (mut client, mut server) = (Host::new(left, from), Host::new(right, to));
    server.poll().listen(80)?;
    let Host { interface, sockets, socket, .. } = &mut client;
    sockets.get_mut::<tcp::Socket<'_>>(*socket).connect(interface.context(), (to, 80), 49152)?;

    let (mut sent, mut copy) = (0, Vec::new());
    loop {
        let socket = client.poll();
        if socket.can_send() && sent < file.len() {
            sent += socket.send_slice(&file[sent..])?;
        } else if sent == file.len() && socket.may_send() {
            socket.close();
        }
        let socket = server.poll();
        while socket.can_recv() {
            socket.recv(|bytes| (bytes.len(), copy.extend_from_slice(bytes)))?;
        }
        if socket.state() == tcp::State::CloseWait {
            break; // the client has closed, and nothing comes after that
        }
    }
    assert!(copy == file, "the file did not arrive as it was sent");
    let packets = client.card.qp.counters().initiator_requests_completed;
    println!("{} bytes of {} went over TCP in {packets} packets, each a send", file.len(), path.display());
    Ok(())
}
