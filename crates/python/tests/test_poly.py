"""Polykad's own network: a network of nodes in this process, one of them asked as by anybody."""

from __future__ import annotations

import asyncio
import tempfile
import unittest
from pathlib import Path

import polykad
from daemons import eventually

VECTORS = Path(__file__).parents[2] / "networks/poly/vectors/values.txt"


def vectors() -> dict[str, str]:
    lines = [line for line in VECTORS.read_text().splitlines() if line and line[0] != "#"]
    return dict(line.split(" ", 1) for line in lines)


class Signed(unittest.TestCase):
    """What is computed without a network, as poly's vectors say."""

    author = polykad.Author(bytes([7]) * 32)
    #: As it stands in the vectors' encodings.
    expires = 0x713FB300

    def test_keys(self) -> None:
        vector = vectors()
        self.assertEqual(self.author.public_key.hex(), vector["public-key"])
        self.assertEqual(polykad.blob_key(b"hello"), vector["blob-key-of-hello"])
        record = polykad.record_key(self.author.public_key.hex(), b"salt")
        self.assertEqual(record, vector["record-key-of-salt"])
        self.assertEqual(polykad.topic_key(b"topic"), vector["topic-key-of-topic"])

    def test_signatures(self) -> None:
        vector, author, ends = vectors(), self.author, self.expires
        record = author.sign_record(b"value", b"salt", 3, ends)
        self.assertEqual(record.hex(), vector["record-signature"])
        tombstone = author.sign_record(None, b"salt", 4, ends)
        self.assertEqual(tombstone.hex(), vector["tombstone-signature"])
        entry = author.sign_entry(vector["topic-key-of-topic"], b"payload", 2, 5, ends)
        self.assertEqual(entry.hex(), vector["entry-signature"])

    def test_key_files(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "me.key"
            path.write_text(f"# secret\n{self.author.seed.hex()}\n")
            author = polykad.Author.from_key_file(str(path))
            self.assertEqual(author.public_key, self.author.public_key)
            path.write_text("# nothing\n")
            with self.assertRaisesRegex(ValueError, "is no key file"):
                polykad.Author.from_key_file(str(path))
        with self.assertRaises(ValueError):
            polykad.Author(b"short")


class Network(unittest.TestCase):
    nodes: list[polykad.Node]

    @classmethod
    def setUpClass(cls) -> None:
        cls.nodes = []
        cls.addClassCleanup(lambda: [node.stop() for node in cls.nodes])
        for number in range(3):
            bootstrap = cls.nodes[0].listen if cls.nodes else []
            listen = [f"127.81.{number}.1:0"]
            cls.nodes.append(polykad.Node.start("poly", listen=listen, bootstrap=bootstrap))
        eventually(lambda: all(len(node.poly.contacts()) >= 2 for node in cls.nodes))

    def test_a_value(self) -> None:
        first, second, _ = self.nodes
        for value in (b"", b"hello", bytes(range(256)) * 256):
            put = first.poly.put(value)
            self.assertEqual(put.key, polykad.blob_key(value))
            self.assertTrue(put.acknowledged)
            self.assertEqual(second.poly.get(put.key).value, value)
        steps = list(first.poly.trace(put.key, "value"))
        self.assertTrue(any(step.get("holds") for step in steps))
        with self.assertRaises(polykad.InvalidRequestError):
            first.poly.put(bytes(65_537))
        with self.assertRaises(polykad.NotFoundError):
            first.poly.get("ff" * 32)

    def test_a_record(self) -> None:
        first, second, _ = self.nodes
        author = polykad.Author()
        with self.assertRaises(polykad.NotFoundError):
            first.poly.record(author.public_key)
        self.assertEqual(first.poly.set(author, "at home", salt="where").seq, 1)
        self.assertEqual(second.poly.set(author, "out", salt="where").seq, 2)
        record = first.poly.record(author.public_key.hex(), salt="where")
        self.assertEqual((record.seq, record.text), (2, "out"))
        with self.assertRaises(polykad.ConflictError) as conflict:
            first.poly.set(author, "lost", salt="where", seq=9, expected=1)
        self.assertEqual(conflict.exception.status, 412)
        first.poly.delete(author, salt="where")
        with self.assertRaises(polykad.NotFoundError) as deleted:
            second.poly.record(author.public_key, salt="where")
        self.assertEqual(deleted.exception.code, "deleted")
        self.assertEqual(second.poly.set(author, "back", salt="where").seq, 4)

    def test_a_topic(self) -> None:
        first, second, _ = self.nodes
        one, other = polykad.Author(), polykad.Author()
        first.poly.announce(one, "chess", "white")
        second.poly.announce(other, "chess", "black")
        found = {entry.text for entry in first.poly.topic("chess")}
        self.assertEqual(found, {"white", "black"})
        first.poly.withdraw(one, "chess")
        self.assertEqual([entry.text for entry in second.poly.topic("chess")], ["black"])

    def test_a_watch(self) -> None:
        first, second, _ = self.nodes
        author = polykad.Author()
        first.poly.set(author, "one")
        watch = second.poly.watch_record(author.public_key)
        self.assertEqual(next(watch).text, "one")
        first.poly.set(author, "two")
        self.assertEqual(next(watch).text, "two")
        watch.close()


class Awaiting(unittest.IsolatedAsyncioTestCase):
    async def test_the_same_for_asyncio(self) -> None:
        start = polykad.AsyncNode.start
        async with await start("poly", listen=["127.82.0.1:0"]) as first:
            bootstrap = first.listen
            second = await start("poly", listen=["127.82.1.1:0"], bootstrap=bootstrap)
            async with second:
                author = polykad.Author()

                async def watch() -> list[str | None]:
                    seen = []
                    async for entry in second.poly.watch_topic("news"):
                        seen.append(entry.text)
                        if len(seen) == 2:
                            break
                    return seen

                put = await first.poly.put("hello")
                self.assertEqual((await second.poly.get(put.key)).text, "hello")
                await first.poly.announce(author, "news", "one", slot=1)
                watching = asyncio.create_task(watch())
                await first.poly.announce(author, "news", "two", slot=2)
                self.assertEqual(sorted(await watching, key=str), ["one", "two"])

    async def test_what_is_cancelled_ends(self) -> None:
        async with await polykad.AsyncNode.start("poly", listen=["127.82.2.1:0"]) as node:

            async def watch() -> None:
                async for _ in node.poly.watch_topic("silence"):
                    pass

            watching = asyncio.create_task(watch())
            await asyncio.sleep(0.1)
            watching.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await watching
            self.assertEqual((await node.status())["listen"], node.listen)


class Kept(unittest.TestCase):
    def test_a_node_comes_back_as_itself(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            ids = []
            for _ in range(2):
                with polykad.Node.start("poly", listen=["127.82.3.1:0"], data=folder) as node:
                    ids.append(node.status()["poly"]["id"])
            self.assertEqual(ids[0], ids[1])

    def test_private_networks_keep_strangers_out(self) -> None:
        start, key = polykad.Node.start, bytes([1]) * 32
        with start("poly", listen=["127.82.4.1:0"], key=key) as private:
            stranger = start("poly", listen=["127.82.5.1:0"], bootstrap=private.listen)
            friend = start("poly", listen=["127.82.6.1:0"], bootstrap=private.listen, key=key)
            with stranger, friend:
                eventually(lambda: len(friend.poly.contacts()) == 1)
                self.assertEqual(stranger.poly.contacts(), [])


if __name__ == "__main__":
    unittest.main()
