#pragma once

#include <chrono>
#include <cstddef>

namespace pgtally::server {

// Every bound of the server, in one place. Each has a test that meets it.
struct limits {
    // HTTP
    // --------------------------------------------------------------------------------------------------------------

    std::size_t max_target_bytes = 32U << 10;  // more: 414
    std::size_t max_header_bytes = 16U << 10;  // of all fields; more: 431
    std::size_t max_body_bytes = 64U << 10;    // more: 413
    std::size_t max_query_keys = 1'000;        // `key=` in one request; more: 400
    std::size_t max_clients = 10'000;          // connections of the public addresses; more: 503
    std::size_t max_admin_clients = 100;       // connections of the admin address; more: 503
    std::size_t max_refusals = 100;  // connections that are being told so at a time; more are closed without a word
    std::chrono::seconds keep_alive{60};      // a connection without a request
    std::chrono::seconds header_timeout{10};  // from a request's first byte to its header's last
    std::chrono::seconds body_timeout{10};    // for the body
    std::chrono::seconds answer_timeout{30};  // for the client to take an answer
    std::chrono::seconds retry_after{1};      // what 503 suggests

    // WebSocket
    // ---------------------------------------------------------------------------------------------------------

    std::size_t max_message_bytes = 1U << 20;        // of a client's message; more: closed with 1009
    std::size_t max_subscriptions = 100;             // of a connection
    std::size_t max_id_bytes = 256;                  // of a subscription's id that is a string
    std::size_t max_replies = 64;                    // not yet sent; at so many the server reads no further
    std::size_t max_shared_changes = 64;             // encoded changes that sessions share, remembered
    std::chrono::milliseconds max_interval{60'000};  // of `interval_ms`
    std::chrono::seconds handshake_timeout{10};
    std::chrono::seconds ping_after{20};     // without a byte from the client; after twice as long it is cut
    std::chrono::seconds stall_timeout{30};  // a client that takes no byte for so long is cut
    std::chrono::seconds close_timeout{5};   // for the client to answer a close
    std::chrono::seconds stall_check{1};     // how often that is looked at

    // Actions
    // -----------------------------------------------------------------------------------------------------------

    std::size_t action_connections = 4;            // to the database
    std::size_t max_waiting_actions = 256;         // for one of them; more: 429
    std::chrono::seconds action_queue_timeout{5};  // so long for one of them; then 503
    std::chrono::seconds action_timeout{10};       // of the statement
    std::chrono::seconds applied_timeout{5};       // for the replica to have applied it; then 202

    // `source=database`
    // -------------------------------------------------------------------------------------------------

    std::size_t bypass_connections = 2;            // to the database: so many at a time
    std::size_t max_waiting_bypass = 16;           // for one of them; more: 503
    std::chrono::seconds bypass_queue_timeout{2};  // so long for one of them; then 503
    std::chrono::seconds bypass_timeout{5};        // of the statement

    // Materialization
    // -----------------------------------------------------------------------------------------------------------

    std::size_t materialize_batch_keys = 1'000;    // in one statement
    std::size_t materialize_list_keys = 10'000;    // listed as changed; when more changed, the tally is looked through
    std::size_t materialize_rows = 10'000;         // of the tally looked at in a turn, and of the table read at a time
    std::size_t max_materialize_splits = 2'000;    // statements of a round that look for refused rows; then it pauses
    std::chrono::seconds materialize_timeout{60};  // of a statement
    std::chrono::seconds materialize_lock_timeout{5};  // of those, for locks that others hold on the table or its rows
    std::size_t max_materialize_reasons = 64;  // distinct ones said since all was well; then they may be said again
    std::chrono::milliseconds materialize_hurry{200};  // between two rounds while the server drains
    std::chrono::seconds materialize_look{1};          // at most, between two looks for tallies that have a table

    // Audits
    // -----------------------------------------------------------------------------------------------------------

    std::chrono::minutes audit_timeout{20};  // for whoever waits for one; the audit itself goes on

    // The rest
    // ----------------------------------------------------------------------------------------------------------

    std::size_t max_web_file_bytes = 16U << 20;      // of a file of --web; larger ones are not found
    std::size_t web_piece_bytes = 64U << 10;         // of such a file, read at a time
    std::chrono::seconds connect_timeout{5};         // to the database, for actions and bypass
    std::chrono::milliseconds reconnect_pause{500};  // of theirs, at most, while the database cannot be reached
    std::chrono::seconds idle_check_after{1};        // a connection of theirs that lay idle is tried before it is used
    std::chrono::milliseconds accept_pause{200};     // when the process has no descriptor left
    std::chrono::seconds accept_report{10};          // between two log lines that say so
    std::chrono::milliseconds drain_spread{1'000};   // over which WebSockets are closed
    std::chrono::seconds drain_timeout{8};           // then clients that are left are cut
    std::chrono::seconds drain_end{9};               // then the last materialization is given up
};

}  // namespace pgtally::server
