// SPDX-License-Identifier: Apache-2.0
#include "launch/preflight.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>

#include "launch/elf_facts.h"

namespace ullage::launch {
namespace {

Error impossible(const std::string& path, const std::string& what, const std::string& instead) {
  return Error{Code::kImpossible, path + ": can't be recorded: " + what + "\n  " + instead};
}

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

// As execvp: the first executable regular file. errno says why there is none.
std::string find_program(const std::string& name, const std::string& search) {
  struct stat st {};
  if (name.find('/') != std::string::npos) {
    if (::stat(name.c_str(), &st) != 0) return {};
    errno = S_ISDIR(st.st_mode) ? EISDIR : EACCES;
    return S_ISREG(st.st_mode) && ::access(name.c_str(), X_OK) == 0 ? name : std::string();
  }
  int why = ENOENT;
  for (size_t from = 0; from <= search.size();) {
    const size_t to = std::min(search.find(':', from), search.size());
    std::string folder = search.substr(from, to - from);
    std::string path = (folder.empty() ? "." : folder) + "/" + name;
    if (::stat(path.c_str(), &st) == 0 && S_ISREG(st.st_mode)) {
      if (::access(path.c_str(), X_OK) == 0) return path;
      why = EACCES;
    }
    from = to + 1;
  }
  errno = why;
  return {};
}

namespace {

Result<std::string> locate(const std::string& name, const std::string& search) {
  if (name.empty()) return Error{Code::kInvalid, "The command is empty. Give one after --."};
  std::string path = find_program(name, search);
  if (!path.empty()) return path;
  switch (errno) {
    case EACCES:
      return Error{Code::kImpossible,
                   name +
                       ": is not executable.\n  Check its permissions (chmod +x), or run it with "
                       "its interpreter: ullage record -- sh " +
                       name};
    case EISDIR:
      return Error{Code::kImpossible, name + ": is a directory.\n  Name a program inside it."};
    default:
      break;
  }
  const bool path_given = name.find('/') != std::string::npos;
  return Error{Code::kNotFound, name + (path_given ? ": no such file." : ": not found in PATH.") +
                                    "\n  Check the spelling, or give the program's full path."};
}

bool needs(const ElfFacts& f, const char* library) {
  return std::any_of(f.needed.begin(), f.needed.end(), [&](const std::string& n) {
    return n.compare(0, strlen(library), library) == 0;
  });
}

const char* sanitizer(const ElfFacts& f) {
  if (needs(f, "libasan.") || f.symbols.count("__asan_init")) return "address";
  if (needs(f, "libtsan.") || f.symbols.count("__tsan_init")) return "thread";
  if (f.symbols.count("__msan_init")) return "memory";
  if (needs(f, "libhwasan.") || f.symbols.count("__hwasan_init")) return "hwaddress";
  if (needs(f, "liblsan.") || f.symbols.count("__lsan_init")) return "leak";
  return nullptr;
}

const char* own_allocator(const ElfFacts& f) {
  for (const char* s : {"mallctl", "je_malloc", "je_mallctl", "_rjem_malloc", "_rjem_mallctl"}) {
    if (f.symbols.count(s)) return "jemalloc";
  }
  if (f.symbols.count("tc_malloc")) return "tcmalloc";
  if (f.symbols.count("mi_malloc")) return "mimalloc";
  if (f.symbols.count("rpmalloc")) return "rpmalloc";
  return f.symbols.count("scalloc") ? "scalloc" : nullptr;
}

std::string machine_name(const ElfFacts& f) {
  switch (f.machine) {
    case EM_386:
      return "32-bit x86";
    case EM_X86_64:
      return f.is_64 ? "x86-64" : "x32";
    case EM_AARCH64:
      return "64-bit ARM";
    case EM_ARM:
      return "32-bit ARM";
    case EM_RISCV:
      return "RISC-V";
    case EM_PPC64:
      return "POWER";
    default:
      return "ELF machine " + std::to_string(f.machine);
  }
}

// Judges the ELF file that will be loaded.
Result<void> judge(const std::string& path, const ElfFacts& f, std::vector<std::string>& notes) {
  if (!f.is_64 || f.machine != EM_X86_64 || !f.little_endian) {
    return impossible(path, "it is a " + machine_name(f) + " program, and the agent is x86-64.",
                      "Build it for x86-64, or record it on a machine with an ullage of its kind.");
  }
  if (f.interpreter.empty()) {
    if (f.go) {
      return impossible(
          path,
          "it is a static Go program: it has its own allocator and no loader "
          "that could preload the agent.",
          "Leave out --native: its runtime's own log and profiles are collected then.");
    }
    return impossible(path, "it is statically linked, so nothing can be preloaded into it.",
                      "Link it dynamically (without -static; for Rust not a musl target), "
                      "and record that build.");
  }
  if (f.interpreter.find("ld-musl") != std::string::npos) {
    return impossible(
        path,
        "it uses the musl C library (" + f.interpreter + "), and the agent is built for glibc.",
        "Record a glibc build of it (for Rust: the x86_64-unknown-linux-gnu target).");
  }
  if (const char* kind = sanitizer(f)) {
    return impossible(path,
                      std::string("it is built with -fsanitize=") + kind +
                          ", which replaces the allocator itself.",
                      "Build it without the sanitizer and record that build.");
  }
  const std::string secure = secure_reason(path);
  if (!secure.empty()) {
    return impossible(path, secure + ", so the loader ignores LD_PRELOAD.",
                      "Run it as the user it switches to, or record a copy without the privilege: "
                      "cp " +
                          path + " /tmp/ && ullage record -- /tmp/" + base_name(path));
  }
  const char* own = own_allocator(f);
  if (f.symbols.count("malloc") && own != nullptr) {
    return impossible(path,
                      std::string("it contains ") + own +
                          " and defines malloc itself, so its allocations never leave it.",
                      std::string("Build it without ") + own +
                          ", or with it as a shared library (lib" + own +
                          ".so): that is recorded.");
  }
  if (f.symbols.count("malloc")) {
    notes.push_back(path +
                    " defines malloc itself: unless that forwards to the next one, its own "
                    "allocations are not seen. Build it without its allocator to see them.");
  } else if (own != nullptr) {
    notes.push_back(path + " contains " + own +
                    " under its own names (no malloc): what it allocates "
                    "there is not seen. Build it with the C library's allocator to see it" +
                    (std::string(own) == "jemalloc" ? " (redis: make MALLOC=libc)." : "."));
  }
  if (f.go) {
    notes.push_back(path +
                    " is a Go program: its own heap is not seen, only C code's. Take a Go trace "
                    "or heap profile and run: ullage diagnose FILE");
  }
  return {};
}

struct Interpreter {
  std::string path, argument;
};

// "#! path argument", as the kernel splits it.
Interpreter parse_shebang(const std::string& line) {
  constexpr const char* kBlank = " \t\r";
  Interpreter i;
  size_t from = line.find_first_not_of(kBlank, 2);
  if (from == std::string::npos) return i;
  size_t to = std::min(line.find_first_of(kBlank, from), line.size());
  i.path = line.substr(from, to - from);
  from = line.find_first_not_of(kBlank, to);
  if (from != std::string::npos) {
    i.argument = line.substr(from, line.find_last_not_of(kBlank) + 1 - from);
  }
  return i;
}

// The program that `env` will run: its first word that is neither an option nor an assignment.
std::string env_target(const std::string& arguments) {
  for (size_t from = 0; from < arguments.size();) {
    const size_t to = std::min(arguments.find_first_of(" \t", from), arguments.size());
    std::string word = arguments.substr(from, to - from);
    if (!word.empty() && word[0] != '-' && word.find('=') == std::string::npos) return word;
    from = to + 1;
  }
  return {};
}

}  // namespace

std::string secure_reason(const std::string& path) {
  struct stat st {};
  struct statvfs fs {};
  if (::stat(path.c_str(), &st) != 0) return {};
  const bool off = (::statvfs(path.c_str(), &fs) == 0 && (fs.f_flag & ST_NOSUID) != 0) ||
                   ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
  const uid_t user = (st.st_mode & S_ISUID) != 0 && !off ? st.st_uid : ::geteuid();
  const bool group_bit = (st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);
  const gid_t group = group_bit && !off ? st.st_gid : ::getegid();
  if (user != ::getuid()) return "it is setuid (it would run as user " + std::to_string(user) + ")";
  if (group != ::getgid()) {
    return "it is setgid (it would run as group " + std::to_string(group) + ")";
  }
  // Capabilities of the file change nothing for root.
  if (::getuid() != 0 && !off && ::getxattr(path.c_str(), "security.capability", nullptr, 0) > 0) {
    return "its file carries capabilities";
  }
  return {};
}

Result<Program> preflight(const std::vector<std::string>& command, const std::string& search) {
  if (command.empty()) {
    return Error{Code::kInvalid, "No command given. Expected: ullage record -- CMD [ARG…]"};
  }
  Result<std::string> found = locate(command[0], search);
  if (!found.ok()) return found.error();
  Program program;
  program.path = found.value();
  program.argv = command;
  std::string path = program.path;
  for (int depth = 0; depth < kInterpretersMax; ++depth) {
    const ElfFacts facts = read_elf(path);
    program.loaded = path;
    if (!facts.readable) {  // executable but not readable: the run will tell
      program.notes.push_back(path +
                              " can't be read, so it was not checked whether it can be recorded.");
      return program;
    }
    if (facts.elf) {
      const Result<void> verdict = judge(path, facts, program.notes);
      if (!verdict.ok()) return verdict.error();
      return program;
    }
    Interpreter next;
    if (facts.first_line.compare(0, 2, "#!") == 0) {
      next = parse_shebang(facts.first_line);
      if (next.path.empty()) {
        return impossible(path, "its first line names no interpreter.", "Write one: #!/bin/sh");
      }
      if (base_name(next.path) == "env") {
        const std::string target = env_target(next.argument);
        const std::string resolved = target.empty() ? "" : find_program(target, search);
        if (!resolved.empty()) next.path = resolved;
      }
    } else if (depth == 0 && facts.first_line.find('\0') == std::string::npos) {
      next.path = "/bin/sh";  // a script without "#!", as execvp runs it
      program.argv.insert(program.argv.begin() + 1, path);
      program.argv[0] = program.path = next.path;
    } else {
      return impossible(path, "it is neither an ELF program nor a script.",
                        "Check the file; `file " + path + "` says what it is.");
    }
    Result<std::string> interpreter = locate(next.path, search);
    if (!interpreter.ok()) {
      return Error{interpreter.error().code,
                   path + ": its interpreter can't be used: " + interpreter.error().message};
    }
    path = interpreter.value();
  }
  return impossible(path, "its interpreters refer to one another without end.",
                    "Name the program itself after --.");
}

}  // namespace ullage::launch
