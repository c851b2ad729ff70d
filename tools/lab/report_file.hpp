#pragma once

#include <stdexcept>
#include <string>

namespace pgtally::lab {

/// Writes a file completely or not at all: under a temporary name in the same folder, then renamed. An existing
/// file is replaced only then.
class report_file {
public:
    /// Creates the temporary file, so that an unwritable place is known before the run. Throws
    /// std::runtime_error, which says what cannot be written and why.
    explicit report_file(std::string path);

    report_file(report_file const&) = delete;
    report_file& operator=(report_file const&) = delete;

    /// Removes the temporary file unless keep() was called.
    ~report_file();

    /// Writes the text and renames the file. Call it once. Throws std::runtime_error.
    void keep(std::string const& text);

    [[nodiscard]] std::string const& path() const noexcept { return path_; }

private:
    [[noreturn]] void fail(int why) const;

    std::string path_;
    std::string other_;
    int file_ = -1;
};

}  // namespace pgtally::lab
