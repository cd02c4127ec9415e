"""A libtorrent DHT node without limits, for load tests: listens, is told of nodes, waits.

    libtorrent_node.py IP:PORT [FILE]      FILE: addresses of nodes to know, one a line
"""

import sys
import time

import peers


def main():
    address = sys.argv[1]
    store = {"dht_max_torrents": 10_000_000, "dht_max_dht_items": 10_000_000}
    node = peers.Libtorrent(address, limits=False, **store)
    known = open(sys.argv[2], encoding="ascii").read().split() if len(sys.argv) > 2 else []
    for start in range(0, len(known), 100):
        node.add_nodes(*known[start : start + 100])
        time.sleep(0.05)
    print(f"{address} knows {len(known)} nodes", flush=True)
    while True:
        # Unread alerts would be counted as its memory.
        node.session.pop_alerts()
        time.sleep(1)


if __name__ == "__main__":
    main()
