#pragma once

#include <array>
#include <string_view>

namespace pgtally::server {

// From which value on `pgtally check` finds something. Each is the value of an alert of server/docs/prometheus-rules.yml, so
// that the letter and the pager say the same; a test compares them. An alert waits until it has been so for some minutes.
// The letter has one look, and totals since the start of the server: it says so.
struct threshold {
    std::string_view alert;
    double limit;
};

namespace thresholds {

// A heartbeat is due every 5 s, and a tally is stale after three: what is older is no jitter.
inline constexpr threshold heartbeat_age_seconds{"PgtallyHeartbeatLate", 30};

// Of 99 % of the changes, from the statement to its application. Normal are some milliseconds.
inline constexpr threshold event_lag_seconds{"PgtallyLag", 1};

// Of the queue's room. It stays empty while all sessions listen, so a quarter means that one has not for long.
inline constexpr threshold notification_queue{"PgtallyNotificationQueueFull", 0.25};

// Of --wal-lag-limit, at which the slot is dropped.
inline constexpr threshold wal_held{"PgtallyWalHeld", 0.5};

// Of --max-clients: time to add a server before clients are refused.
inline constexpr threshold clients{"PgtallyClientsNearLimit", 0.9};

// Of the limit of the process: likewise.
inline constexpr threshold descriptors{"PgtallyDescriptorsNearLimit", 0.9};

// A second, on average. Some clients always vanish: laptops that close, networks that change.
inline constexpr threshold slow_clients_cut{"PgtallySlowClientsCut", 1};

// A second, on average, but for those that ended: somebody tries, or the application signs by a key that the server lacks.
inline constexpr threshold tokens_refused{"PgtallyTokensRefused", 1};

// Of all requests, those that end with 5xx.
inline constexpr threshold errors{"PgtallyErrors", 0.05};

// Keys that differed from the truth while the tally was live: none should.
inline constexpr threshold drift_keys{"PgtallyDrift", 0};

// Audits in a row, as far as totals tell: one that failed can have met a restart.
inline constexpr threshold failed_audits{"PgtallyAuditsFail", 2};

// Connections lost. A restart of the database is one.
inline constexpr threshold reconnects{"PgtallyReconnects", 3};

// Attempts to write a table that failed: a lock, once, is no fault.
inline constexpr threshold table_failures{"PgtallyMaterializationFails", 3};

// Rows that a constraint refused, and problems that the database reports: none should be.
inline constexpr threshold rows_refused{"PgtallyRowsRefused", 0};
inline constexpr threshold problems{"PgtallyProblems", 0};

inline constexpr std::array all{heartbeat_age_seconds, event_lag_seconds, notification_queue, wal_held,     clients,
                                descriptors,           slow_clients_cut,  tokens_refused,     errors,       drift_keys,
                                failed_audits,         reconnects,        table_failures,     rows_refused, problems};

// Alerts about a state and not about a number: the letter has them as findings.
inline constexpr std::array<std::string_view, 4> states{"PgtallyDown", "PgtallyTallyFailed", "PgtallyTallyNotLive",
                                                        "PgtallyNobodyWrites"};

}  // namespace thresholds

}  // namespace pgtally::server
