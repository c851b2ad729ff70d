#pragma once

#include <pgtally/server/push/push.hpp>

#include <string>

namespace pgtally::server {

// The JSON of pushes that protocols share. A protocol adds its own members: the WebSocket adds `type` and `id`.

// The members of a snapshot: "epoch":"…","revision":17,"state":"live","keys":{…}, with "partial" and "more" if they
// hold. Instead of "keys" it has the answer if the subscription asks a question (base/answers_json.hpp).
void append_snapshot(std::string& out, push const& what);

// The members of an error: "code":"…","message":"…", and "key":"…" if one is the cause.
void append_refusal(std::string& out, refusal const& why);

}  // namespace pgtally::server
