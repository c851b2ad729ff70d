#include <pgtally/cache/reason.hpp>

namespace pgtally::cache {

namespace {

std::string_view sentence_of(reason::kind what) noexcept
{
    using kind = reason::kind;
    switch (what) {
        case kind::none: return {};
        case kind::unreachable: return "the database cannot be reached";
        case kind::no_answer: return "the database does not answer in time";
        case kind::refused: return "the database refuses the connection";
        case kind::misconfigured: return "the connection to the database is not configured correctly";
        case kind::read_only: return "the database is read only";
        case kind::deaf: return "no event arrives from the database";
        case kind::old_writer: return "an open transaction in the database must end first";
        case kind::wal_held: return "events were received too slowly; loading again";
        case kind::not_installed: return "schema tally is not installed in the database";
        case kind::unreadable: return "the tallies' definitions cannot be read";
        case kind::unknown_tally: return "the tally does not exist in the database";
        case kind::no_transport: return "this server does not have the transport of the tally's events";
        case kind::source_lost: return "the source was dropped, renamed or replaced";
        case kind::needs_repair: return "the tally needs a repair in the database";
        case kind::not_counted: return "a change of the source could not be counted";
        case kind::too_many_keys: return "the tally has more keys than this server may hold";
        case kind::load_failed: return "a load failed";
        case kind::reload: return "the source changed in a way that events do not describe; loading again";
        case kind::missed_events: return "events may have been missed; loading again";
        case kind::definition_changed: return "its definition changed; loading again";
        case kind::stopped: return "the server was stopped";
        case kind::defect: return "the server failed";
    }
    return "the server failed";
}

}  // namespace

reason::reason(kind what) : kind_{what}, text_{sentence_of(what)} {}

std::string_view reason::in_public() const noexcept
{
    return sentence_of(kind_);
}

}  // namespace pgtally::cache
