"""Mainline through a daemon, and through a node in this process."""

from __future__ import annotations

import os
import unittest

import polykad
from daemons import PROGRAM, Daemon, eventually, network

HASH = "00112233445566778899aabbccddeeff00112233"


@unittest.skipUnless(PROGRAM, "POLYKAD_PROGRAM names no program")
class ThroughADaemon(unittest.TestCase):
    daemons: list[Daemon]
    node: polykad.Client

    @classmethod
    def setUpClass(cls) -> None:
        cls.daemons = network(4, "--network", "mainline")
        cls.addClassCleanup(lambda: [daemon.stop() for daemon in cls.daemons])
        cls.node = polykad.Client(cls.daemons[0].url)
        eventually(lambda: len(cls.node.mainline.nodes(HASH).nodes) == 3)

    def test_who_it_is_and_whom_it_knows(self) -> None:
        self.assertEqual(self.node.status()["listen"][0], self.daemons[0].address)
        contacts = self.node.mainline.contacts()
        self.assertEqual(len(contacts), 3)
        self.assertTrue(all(len(contact.id) == 40 for contact in contacts))
        pong = self.node.mainline.ping(self.daemons[1].address)
        self.assertEqual(pong.address, self.daemons[1].address)

    def test_a_value_is_put_and_found(self) -> None:
        put = self.node.mainline.put("grüße")
        self.assertTrue(put.acknowledged)
        self.assertEqual(self.node.mainline.get(put.key).text, "grüße")
        everything = bytes(range(256))
        key = self.node.mainline.put(everything).key
        self.assertEqual(self.node.mainline.get(key).value, everything)
        number = self.node.mainline.put(b"i42e", bencoded=True)
        self.assertEqual(self.node.mainline.get(number.key).bencoded, b"i42e")

    def test_what_fails_says_why(self) -> None:
        with self.assertRaises(polykad.NotFoundError) as nowhere:
            self.node.mainline.get("ff" * 20)
        self.assertEqual((nowhere.exception.code, nowhere.exception.status), ("not-found", 404))
        with self.assertRaises(polykad.InvalidRequestError) as long:
            self.node.mainline.put("x" * 1000)
        self.assertEqual(long.exception.code, "value-too-long")
        with self.assertRaises(polykad.UnreachableError):
            polykad.Client("http://127.0.0.1:1").status()
        with self.assertRaises(ValueError):
            polykad.Client("ftp://127.0.0.1")

    def test_an_authors_value_is_replaced_and_late_writers_are_told(self) -> None:
        author = polykad.Author()
        with self.assertRaises(polykad.NotFoundError):
            self.node.mainline.get_signed(author.public_key, salt="news")
        self.node.mainline.set(author, "first", salt="news")
        self.node.mainline.set(author, "second", salt="news")
        found = self.node.mainline.get_signed(author.public_key.hex(), salt="news")
        self.assertEqual((found.seq, found.text), (2, "second"))
        with self.assertRaises(polykad.ConflictError) as conflict:
            self.node.mainline.set(author, "late", salt="news", seq=3, expected=1)
        self.assertEqual(conflict.exception.winner["seq"], 2)

    def test_peers_are_announced_and_found(self) -> None:
        info_hash = os.urandom(20)
        self.assertEqual(list(self.node.mainline.peers(info_hash)), [])
        self.assertTrue(self.node.mainline.announce(info_hash, port=4711).acknowledged)
        self.assertEqual(list(self.node.mainline.peers(info_hash)), ["127.79.0.1:4711"])
        self.assertGreater(self.node.mainline.scrape(info_hash).downloaders, 0.5)
        samples = list(self.node.mainline.samples(info_hash))
        self.assertTrue(any(info_hash.hex() in sample.info_hashes for sample in samples))
        rounds = self.node.mainline.announcing(info_hash, port=4712)
        self.assertTrue(next(rounds).acknowledged)
        rounds.close()

    def test_streams_end_with_their_loop(self) -> None:
        steps = {told["step"] for told in self.node.mainline.trace(HASH)}
        self.assertLessEqual({"asked", "answered"}, steps)
        for event, _ in self.node.live():
            self.assertEqual(event, "history")
            break


@unittest.skipUnless(PROGRAM, "POLYKAD_PROGRAM names no program")
class AwaitingADaemon(unittest.IsolatedAsyncioTestCase):
    async def test_the_same_for_asyncio(self) -> None:
        daemons = network(3, "--network", "mainline")
        self.addCleanup(lambda: [daemon.stop() for daemon in daemons])
        waiting = polykad.Client(daemons[0].url)
        eventually(lambda: len(waiting.mainline.nodes(HASH).nodes) == 2)
        node = polykad.AsyncClient(daemons[0].url)
        put = await node.mainline.put("hello")
        self.assertEqual((await node.mainline.get(put.key)).text, "hello")
        await node.mainline.announce(HASH, port=4711)
        peers = [peer async for peer in node.mainline.peers(HASH)]
        self.assertEqual(peers, ["127.79.0.1:4711"])
        with self.assertRaises(polykad.NotFoundError):
            await node.mainline.get("ff" * 20)
        with self.assertRaises(polykad.UnreachableError):
            await polykad.AsyncClient("http://127.0.0.1:1").status()
        seen = []
        async for event, _ in node.live():
            seen.append(event)
            if event == "status":
                break
        self.assertEqual(seen[0], "history")


class InThisProcess(unittest.TestCase):
    def test_nodes_find_each_others_values(self) -> None:
        with polykad.Node.start(
            "mainline", listen=["127.80.0.1:0"], default_bootstrap=False
        ) as first, polykad.Node.start(
            "mainline",
            listen=["127.80.1.1:0"],
            bootstrap=first_address(first),
            default_bootstrap=False,
        ) as second:
            eventually(lambda: len(first.mainline.contacts()) == 1)
            put = second.mainline.put("hello")
            self.assertEqual(first.mainline.get(put.key).text, "hello")
            with self.assertRaises(polykad.NotAllowedError):
                polykad.Client(first.url).status()
        with self.assertRaises(polykad.UnreachableError):
            first.status()

    def test_wrong_use_is_told(self) -> None:
        check = (
            (ValueError, "there are 'poly' and 'mainline'", {"network": "kad"}),
            (ValueError, "write IP:PORT", {"listen": ["everywhere"]}),
            (ValueError, "write HOST:PORT", {"bootstrap": ["nowhere"]}),
            (ValueError, "which network of poly", {"network": "mainline", "name": "mine"}),
            (OSError, "is no address of this machine", {"listen": ["192.0.2.1:0"]}),
        )
        for kind, words, wish in check:
            with self.subTest(words), self.assertRaisesRegex(kind, words):
                polykad.Node.start(**{"network": "poly", "default_bootstrap": False, **wish})


def first_address(node: polykad.Node) -> list[str]:
    return node.listen[:1]


if __name__ == "__main__":
    unittest.main()
