#pragma once

#include <string>

namespace pgtally::server {

// Amounts as text for people.

std::string span_text(double seconds);                 // "1.5 s", "3 min", "2 h", "5 days"
std::string size_text(double bytes);                   // "12 KiB"
std::string count_text(double number);                 // "12", "3.5"
std::string part_text(double used, double available);  // "31 of 1024"

}  // namespace pgtally::server
