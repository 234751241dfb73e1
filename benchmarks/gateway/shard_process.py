"""A shard that answers on Kafka and on a socket: one process, one index, one `Answerer` behind both doors.

    python -m benchmarks.gateway.shard_process BOOTSTRAP DATA_ROWS SHARD N_SHARDS

Requests come to the socket as to Kafka, a length of four bytes before each. They are answered one at a time, as
each comes; Kafka's are taken as the index process takes them, all that wait at once.
"""

import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.gateway.requests import GROUP, ROOT, SPEC, frame, read_frame
from benchmarks.index.data_set import open_data_set
from benchmarks.index.filled_shard import fill
from contracts.codec import encode
from index_service.answering import Answerer
from index_service.hosted import HostedShard
from index_service.kinds.parameters import IndexParameters
from index_service.searcher import Searcher
from index_service.vectors import use_faiss_threads
from runtime.kafka import Record
from runtime.kafka_producer import KafkaProducer
from runtime.process import stop_event_on_signals
from runtime.telemetry import Metrics, configure_logging

# As an index process sets it.
_SWITCH_INTERVAL_S = 0.0005
_FAISS_THREADS = 1


def main() -> None:
    """Fill the shard, open both doors, print the socket's port, serve until a signal comes."""
    bootstrap, rows, number, n_shards = sys.argv[1], *map(int, sys.argv[2:5])
    configure_logging(f"bench-shard-{number}", "warning", json=False)
    stop = stop_event_on_signals()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    data = open_data_set(ROOT, SPEC, rows, lambda _: None)
    with tempfile.TemporaryDirectory(prefix="bench-shard-") as folder:
        filled = fill(data, Path(folder), IndexParameters(), shard=number, n_shards=n_shards)
        hosted = HostedShard(filled.shard.spec, Path(folder), filled.shard, caught_up=True)
        answerer = Answerer({number: hosted}, GROUP)
        producer = KafkaProducer(bootstrap, f"bench-shard-{number}", acks="1")
        searcher = Searcher(
            bootstrap, f"bench-shard-{number}", GROUP, answerer, producer, Metrics(), faiss_threads=_FAISS_THREADS
        )
        threading.Thread(target=searcher.run, args=(stop,), daemon=True).start()
        while not searcher.listening:
            time.sleep(0.05)
        listening = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=_accept, args=(listening, answerer), daemon=True).start()
        sys.stdout.write(f"{listening.getsockname()[1]}\n")
        sys.stdout.flush()
        stop.wait()
        producer.close(timeout_s=0.5)


def _accept(listening: socket.socket, answerer: Answerer) -> None:
    turn = threading.Lock()
    while True:
        connection, _ = listening.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_talk, args=(connection, answerer, turn), daemon=True).start()


def _talk(connection: socket.socket, answerer: Answerer, turn: threading.Lock) -> None:
    use_faiss_threads(_FAISS_THREADS)
    with connection, connection.makefile("rb") as incoming:
        while (value := read_frame(incoming)) is not None:
            now_ms = int(time.time() * 1000)
            with turn:
                [reply], _ = answerer.answer([_record(value, now_ms)], now_ms)
            connection.sendall(frame(encode(reply.message)))


def _record(value: bytes, now_ms: int) -> Record:
    return Record(topic="direct", partition=GROUP, offset=0, key="", value=value, headers={}, timestamp_ms=now_ms)


if __name__ == "__main__":
    main()
