#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace pgtally::server {

// Every limit of the server. Each has a test that reaches it.
struct limits {
    // HTTP
    // --------------------------------------------------------------------------------------------------------------

    std::size_t max_target_bytes = 32U << 10;   // more: 414
    std::size_t max_header_bytes = 16U << 10;   // of all fields; more: 431
    std::size_t max_body_bytes = 64U << 10;     // more: 413
    std::size_t max_key_list_bytes = 1U << 20;  // of the body of a list of keys; more: 413
    std::size_t max_chunk_bytes = 512U << 10;   // of the chunks of a body, without its data; more: 400
    std::size_t max_listed_keys = 10'000;       // in such a list; more: 400
    std::size_t max_query_keys = 1'000;         // `key=` in one request; more: 400
    std::size_t max_top = 1'000;                // keys in a top; more: 400, or an error
    std::size_t max_around = 50;                // of a rank, up and down; more: 400, or an error
    std::size_t max_clients = 10'000;           // connections of the public addresses; more: 503
    std::size_t max_address_clients = 0;        // of one address, public ones; more: 503; 0: no limit
    std::size_t max_admin_clients = 100;        // connections of the admin address; more: 503
    std::size_t max_refusals = 100;  // connections that receive such a 503 at a time; more are closed without an answer
    std::chrono::milliseconds keep_alive{90'000};  // without a request; then the connection is closed
    std::chrono::seconds header_timeout{10};       // from the first byte of a request to the last of its header
    std::chrono::seconds body_timeout{10};         // for the body
    std::chrono::seconds answer_timeout{30};       // until the client has taken the answer
    std::chrono::seconds retry_after{1};           // the value of Retry-After in a 503

    // WebSocket
    // ---------------------------------------------------------------------------------------------------------

    std::size_t max_message_bytes = 1U << 20;        // of a message from the client; more: closed with 1009
    std::size_t max_subscriptions = 100;             // per connection
    std::size_t max_id_bytes = 256;                  // of an id that is a string
    std::size_t max_replies = 64;                    // that wait to be sent; at the limit the server stops reading
    std::size_t ready_at_once = 256;                 // sessions that write before the loop serves others
    std::size_t max_shared_changes = 64;             // encoded changes of each kind that are kept for other sessions
    std::size_t max_shared_keys = 128;               // of named keys, in one of them
    std::chrono::milliseconds max_interval{60'000};  // of `interval_ms`
    std::chrono::seconds handshake_timeout{10};
    std::chrono::milliseconds ping_after{20'000};  // without a byte from the client; after twice that time it is cut
    std::chrono::seconds stall_timeout{30};        // a client that takes no byte for that time is cut
    std::chrono::seconds close_timeout{5};         // until the client answers a close
    std::chrono::seconds stall_check{1};           // the interval at which clients are checked

    // Server-Sent Events
    // ------------------------------------------------------------------------------------------------

    std::chrono::seconds comment_every{15};              // between two comments, which keep proxies from cutting
    std::chrono::milliseconds least_event_retry{1'000};  // of `retry:`, by which a client comes back: a random time
    std::chrono::milliseconds most_event_retry{5'000};   // from the first to the second
    std::size_t max_ignored_bytes = 64U << 10;           // that a client sends after its request; more: the stream ends

    // Reads that wait
    // ---------------------------------------------------------------------------------------------------

    std::chrono::seconds at_least_patience{5};  // for the position that `at_least` names; then 504
    std::size_t max_waiting_reads = 1'000;      // for their positions, or rankings; more: 503
    std::chrono::seconds longest_wait{60};      // of `wait=`; longer: 400
    std::size_t max_long_polls = 5'000;         // requests that wait for a change; more: 503
    std::chrono::seconds ranking_patience{5};   // until keys are ranked for a top or a rank; then 503

    // Actions
    // -----------------------------------------------------------------------------------------------------------

    std::size_t action_connections = 4;            // in the pool
    std::size_t action_share = 16;                 // that wait are worth another connection
    std::chrono::milliseconds action_patience{2};  // of one in the queue; then another connection helps, too
    std::size_t action_batch = 64;                 // that wait at the same time run in one transaction; 1: none
    std::size_t max_waiting_actions = 256;         // for a connection; more: 429
    std::chrono::seconds action_queue_timeout{5};  // for a connection; then 503
    std::chrono::seconds action_timeout{10};       // of the statement
    std::chrono::seconds applied_timeout{5};       // until the replica has applied the action; then 202

    // `source=database`
    // -------------------------------------------------------------------------------------------------

    std::size_t bypass_connections = 2;            // in the pool
    std::size_t max_waiting_bypass = 16;           // for a connection; more: 503
    std::chrono::seconds bypass_queue_timeout{2};  // for a connection; then 503
    std::chrono::seconds bypass_timeout{5};        // of the statement

    // Materialization
    // -----------------------------------------------------------------------------------------------------------

    std::size_t materialize_batch_keys = 1'000;      // in one statement
    std::size_t materialize_list_keys = 10'000;      // listed as changed; if more changed, the tally is scanned
    std::size_t materialize_counted_keys = 100'000;  // that a table waits for, in the metrics
    std::size_t materialize_rows = 10'000;         // of the tally scanned in a turn, and of the table read by one query
    std::size_t max_materialize_splits = 2'000;    // statements of a round that search for refused rows; then it pauses
    std::chrono::seconds materialize_timeout{60};  // of a statement
    std::chrono::seconds materialize_lock_timeout{5};  // of its wait for a lock
    std::size_t max_materialize_reasons = 64;  // distinct ones logged since all was well; then each may be logged again
    std::chrono::milliseconds materialize_hurry{200};  // between two rounds while the server drains
    std::chrono::seconds materialize_look{1};          // the longest time until a new tally with a table is noticed

    // Tokens
    // -----------------------------------------------------------------------------------------------------------

    std::size_t max_token_bytes = 8U << 10;     // a longer token is refused; bounds its rules too
    std::size_t max_key_file_bytes = 1U << 20;  // of a file of --auth-key; a larger one is refused
    std::size_t max_token_keys = 64;            // of all files: a token without `kid` may be tried by each
    std::chrono::seconds token_leeway{30};      // between clocks: a token is valid so long before `nbf` and after `exp`
    std::chrono::seconds expired_patience{60};  // after the end of a WebSocket's token; then it is closed with 4401

    // Audits
    // -----------------------------------------------------------------------------------------------------------

    std::chrono::minutes audit_timeout{20};  // until a waiting client gets an answer; the audit continues

    // Commands that ask a server
    // -----------------------------------------------------------------------------------------------

    std::size_t max_answer_bytes = 16U << 20;          // of an answer, and of an event of a stream; more: an error
    std::uint32_t max_answer_header_bytes = 8U << 10;  // of its header; more: an error
    std::size_t max_refusal_bytes = 64U << 10;         // of the refusal of a stream; the rest is not read into memory
    std::chrono::seconds ask_connect_timeout{10};      // for one address, and for the TLS handshake
    std::chrono::seconds ask_timeout{30};              // for an answer
    std::chrono::seconds ask_silence{45};              // of a stream; the server sends a comment every 15 s

    // The rest
    // ----------------------------------------------------------------------------------------------------------

    std::chrono::seconds origin_report{10};      // between two log lines about pages that are refused, after the first
    int max_origin_reports = 10;                 // which are logged at once
    std::size_t max_web_file_bytes = 16U << 20;  // of a file of --web; a larger one is not found
    std::size_t web_piece_bytes = 64U << 10;     // of such a file, read at a time
    std::chrono::seconds connect_timeout{5};     // to the database: actions, bypass, materialization
    std::chrono::milliseconds reconnect_pause{500};  // at most, between two attempts to connect
    std::chrono::seconds idle_check_after{1};        // a connection that was idle for that time is tested before use
    std::size_t kept_descriptors = 64;  // that clients of public addresses leave to the rest; at most half of the limit
    std::size_t accept_at_once = 64;    // connections that are taken before the loop serves others
    std::chrono::milliseconds accept_pause{200};    // after accept() fails for lack of descriptors
    std::chrono::seconds accept_report{10};         // between two log lines about it
    std::chrono::milliseconds drain_spread{1'000};  // the time over which WebSockets and streams of events are closed
    std::chrono::seconds drain_timeout{8};          // then the remaining clients are cut
    std::chrono::seconds drain_end{9};              // then the last materialization is abandoned
};

}  // namespace pgtally::server
