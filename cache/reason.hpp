#pragma once

// Why counters do not follow the database.
//
// Model: a reason is made where the cause is known, in two lengths. `text` is for operators and embedders: it may name
// hosts, databases and roles, and quote PostgreSQL. `in_public` is for everybody: the sentence of the reason's kind,
// which names nothing. The kinds are a closed set, so that no text of a server or of a client can become public.

#include <ostream>
#include <string>
#include <string_view>
#include <utility>

namespace pgtally::cache {

class reason {
public:
    enum class kind {
        none,

        // The connection to the database.
        unreachable,    // no connection can be made, or one broke
        no_answer,      // the database took too long
        refused,        // password, role or database
        misconfigured,  // the connection string, or a file that it names
        read_only,      // a standby, or read only by default
        deaf,           // heartbeats do not come back
        old_writer,     // an open transaction, for whose end a slot or a load waits
        wal_held,       // the slot held back more WAL than is allowed

        // The tally in the database.
        not_installed,  // the schema is not there
        unreadable,     // the definitions cannot be read
        unknown_tally,  // a tally that the configuration names
        no_transport,   // events travel by a transport that this process does not have
        source_lost,    // dropped, renamed or replaced
        needs_repair,   // something else that a load does not cure
        not_counted,    // a writer's statement made an event `broken`
        too_many_keys,
        load_failed,

        // What a load cures.
        reload,
        missed_events,
        definition_changed,

        // The process.
        stopped,
        defect,
    };

    reason() = default;

    // `text` is the sentence of the kind.
    explicit reason(kind what);

    reason(kind what, std::string text) : kind_{what}, text_{std::move(text)} {}

    bool empty() const noexcept { return kind_ == kind::none && text_.empty(); }
    kind what() const noexcept { return kind_; }
    std::string const& text() const noexcept { return text_; }
    std::string_view in_public() const noexcept;

    friend bool operator==(reason const&, reason const&) = default;
    friend std::ostream& operator<<(std::ostream& out, reason const& r) { return out << r.text_; }

private:
    kind kind_ = kind::none;
    std::string text_;
};

}  // namespace pgtally::cache
