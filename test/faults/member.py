"""A thread that repeats transactions: it can be paused, survives the loss of its connection, and may commit in two phases."""

import random
import threading

import psycopg

from story import is_lost

RETRIED = (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable, psycopg.errors.UniqueViolation,
           psycopg.errors.ForeignKeyViolation, psycopg.errors.ExclusionViolation, psycopg.errors.QueryCanceled, psycopg.errors.SerializationFailure)
CHANCE_OF_TWO_PHASES = 0.05


class Member(threading.Thread):
    """Repeats `step` until stopped; can be paused between two steps."""

    retried = RETRIED  # errors of its statements that it expects
    hasty = False  # whether a crash may take back what it committed

    def __init__(self, dsn, seed, rest=0.02):
        super().__init__(daemon=True)
        self.dsn, self.random, self.rest = dsn, random.Random(seed), rest
        self.stopping, self.paused = threading.Event(), threading.Event()
        self.turn = threading.Lock()
        self.committed = self.failed = self.lost = self.two_phase = 0
        self.connection = None
        self.prepared = None  # a prepared transaction that is to be ended, and how
        self.error = None

    def run(self):
        try:
            while not self.stopping.is_set():
                with self.turn:
                    if not self.paused.is_set() or self.prepared:
                        self.one()
                self.stopping.wait(self.random.uniform(0, self.rest) if not self.paused.is_set() else 0.02)
        except Exception as error:  # noqa: BLE001: the referee reports it
            self.error = error
        finally:
            if self.connection:
                self.connection.close()

    def one(self):
        try:
            if not self.connection or self.connection.closed:
                self.connection = psycopg.connect(self.dsn, autocommit=False, connect_timeout=20)
                self.connection.execute("set lock_timeout = '20s'; set timezone = 'America/Los_Angeles'; set datestyle = 'German'")
                if self.hasty:
                    self.connection.execute("set synchronous_commit = off")
                self.connection.commit()
            if self.prepared:
                self.end_prepared(self.connection)
            else:
                self.step(self.connection)
        except self.retried:
            self.connection.rollback()
            self.failed += 1
        except psycopg.Error as error:
            if not is_lost(error) and not (self.connection and self.connection.closed):
                raise
            # Only the database knows whether the last commit succeeded, so the truth is read from it.
            self.lost += 1
            if self.connection:
                self.connection.close()
            self.stopping.wait(0.1)

    def finish(self, connection, chance_of_rollback):
        if self.random.random() < CHANCE_OF_TWO_PHASES:
            self.prepare(connection, chance_of_rollback)
        elif self.random.random() < chance_of_rollback:
            connection.rollback()
        else:
            connection.commit()
            self.committed += 1

    def prepare(self, connection, chance_of_rollback):
        """Two-phase commit. PostgreSQL refuses it, and rolls back, if the transaction sent an event by NOTIFY."""
        name = f"member {self.random.getrandbits(64)}"
        how = "rollback" if self.random.random() < chance_of_rollback else "commit"
        self.prepared = name, how
        try:
            connection.execute(f"prepare transaction '{name}'")
        except psycopg.errors.FeatureNotSupported:
            self.prepared = None
            connection.rollback()
            return
        self.two_phase += 1
        self.stopping.wait(self.random.choice([0, self.random.uniform(0, 0.5)]))
        self.end_prepared(connection)

    def end_prepared(self, connection):
        name, how = self.prepared
        connection.rollback()
        connection.autocommit = True
        try:
            connection.execute(f"{how} prepared '{name}'")
            self.committed += how == "commit"
        except psycopg.errors.UndefinedObject:
            pass  # the connection was lost while it was prepared, or while it was ended
        finally:
            if not connection.closed:
                connection.autocommit = False
        self.prepared = None
