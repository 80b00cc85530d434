"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const [num, den] = data.rate;
  const key = ["seedpost.report/1", data.title, data.version, data.made_of].join(" ");
  const colours = ["Blue", "Cyan", "Green", "Yellow", "Red"];
  const $ = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const say = (text) => { $("#said").textContent = text; };
  document.documentElement.classList.add("scripted");

  // Timecode: whole frames since midnight. Drop-frame leaves labels out, two or so a minute but every tenth one.
  const minute = data.nominal * 60 - data.drop;
  const ten = minute * 10 + data.drop;
  const day = ten * 144;
  const label = (frame) => {
    let count = ((frame % day) + day) % day;
    if (data.drop) {
      const tens = Math.floor(count / ten);
      const rest = count % ten;
      const minutes = Math.floor(Math.max(rest - data.drop, 0) / minute);
      count += data.drop * (tens * 9 + minutes);
    }
    const two = (number) => String(number).padStart(2, "0");
    const seconds = Math.floor(count / data.nominal);
    const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map(two);
    return parts.join(":") + (data.drop ? ";" : ":") + two(count % data.nominal);
  };
  const frameOf = (text) => {
    const found = /^(\d{1,2})[:;](\d{2})[:;](\d{2})[:;.](\d{2})$/.exec(text);
    if (!found) return null;
    const [hours, minutes, seconds, frames] = found.slice(1).map(Number);
    if (hours > 23 || minutes > 59 || seconds > 59 || frames >= data.nominal) return null;
    const whole = hours * 60 + minutes;
    const frame = (whole * 60 + seconds) * data.nominal + frames - data.drop * (whole - Math.floor(whole / 10));
    return label(frame).replace(/;/g, ":") === text.padStart(label(0).length, "0").replace(/[;.]/g, ":") ? frame : null;
  };

  // What people write: {clips: {"0": {notes: [{frame, colour, text}], checks: {}, name, date}}}.
  const empty = () => ({ notes: [], checks: {}, name: "", date: "" });
  const text = (value) => (typeof value === "string" ? value : "");
  const state = data.clips.map(empty);
  const keep = () => {
    tally();
    try {
      localStorage.setItem(key, JSON.stringify(state));
    } catch {
      say("This browser keeps nothing for this page: export notes and sign-off before you close it.");
    }
  };
  const recall = () => {
    let kept;
    try { kept = JSON.parse(localStorage.getItem(key)); } catch { return; }
    if (!Array.isArray(kept)) return;
    kept.slice(0, state.length).forEach((one, index) => {
      if (!one || typeof one !== "object") return;
      const { record, frames } = data.clips[index];
      const fits = (note) => note && Number.isInteger(note.frame) && note.frame >= record && note.frame < record + frames;
      const notes = Array.isArray(one.notes) ? one.notes.filter(fits) : [];
      state[index].notes = notes.map((note) => ({
        frame: note.frame, text: text(note.text), colour: colours.includes(note.colour) ? note.colour : "Blue",
      }));
      for (const check of all("[data-check]", $("#check").content)) {
        state[index].checks[check.dataset.check] = Boolean(one.checks && one.checks[check.dataset.check]);
      }
      state[index].name = text(one.name);
      state[index].date = text(one.date);
    });
  };
  const signed = (one) => one.name.trim() !== "" && one.date !== "";
  const tally = () => {
    const notes = state.reduce((sum, one) => sum + one.notes.length, 0);
    $("#tally").textContent = `${notes} note${notes === 1 ? "" : "s"}, ${state.filter(signed).length} of ${state.length} clips signed`;
  };

  const download = (name, type, content) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content], { type }));
    link.download = name;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  };
  // One line, in which no bar begins a field and no note looks like another line of the list.
  const flat = (words) => words.replace(/[\p{Cc}\u2028\u2029]+/gu, " ");
  const bars = (words) => flat(words).replace(/\|/g, "¦");
  const begins = (words) => {
    const note = bars(words).trimStart();
    return /^[\p{N}*>]/u.test(note) || data.lines.some((line) => note.startsWith(line)) ? `'${note}` : note;
  };
  const list = () => {
    const notes = state.flatMap((one, index) => one.notes.map((note) => ({ ...note, take: data.clips[index].take })));
    const there = notes.filter((note) => note.frame + 1 < day).sort((one, other) => one.frame - other.frame);
    const digits = there.length > 999 ? 6 : 3;
    const events = there.map((note, index) => {
      const [from, to] = [label(note.frame), label(note.frame + 1)];
      const name = bars(`${note.take}: ${note.text}`);
      return `${String(index + 1).padStart(digits, "0")}  001      V     C        ${from} ${to} ${from} ${to}  \r\n` +
        `${begins(note.text)} |C:ResolveColor${note.colour} |M:${name} |D:1\r\n\r\n`;
    });
    const head = `TITLE: ${data.package}\r\nFCM: ${data.drop ? "" : "NON-"}DROP FRAME\r\n\r\n`;
    return { content: head + events.join(""), count: there.length, late: notes.length - there.length };
  };
  const exportNotes = () => {
    const { content, count, late } = list();
    download(`${data.package}_notes.edl`, "text/plain", content);
    say(`${count} note${count === 1 ? "" : "s"} exported.` + (late ? ` ${late} past midnight left out: lists begin anew there.` : ""));
  };
  const exportSignoff = () => {
    const clips = state.map(({ notes, checks, name, date }, index) => ({
      take: data.clips[index].take,
      record: label(data.clips[index].record),
      checks, name: name.trim(), date,
      notes: notes.map((note) => ({ ...note, timecode: label(note.frame) })),
    }));
    const { schema, package: folder, title, version, made_of } = data;
    const whole = { schema, package: folder, title, version, made_of, clips };
    download(`${folder}_signoff.json`, "application/json", JSON.stringify(whole, null, 2) + "\n");
    say(`Sign-off exported: ${state.filter(signed).length} of ${state.length} clips signed.`);
  };

  // A player: frames count from the clip's first; a seek goes to the middle of a frame.
  const player = (group, clip, told) => {
    const video = $("video", group);
    // Browsers load every poster that stands in a page, near or not.
    const still = $("img", group);
    if (still) video.poster = still.src;
    group.append($("#bar").content.cloneNode(true));
    const bar = $(".bar", group);
    const play = $("[data-do=play]", bar);
    const status = $("[role=status]", bar);
    const field = $("form input", bar);
    const last = clip.frames - 1;
    const within = (frame) => Math.min(Math.max(frame, 0), last);
    let wanted = null;
    let shown = 0;
    const show = (frame) => {
      shown = within(frame);
      group.dataset.frame = shown;
      $("[data-is=record]", bar).textContent = label(clip.record + shown);
      $("[data-is=source]", bar).textContent = clip.source + shown;
      told(clip.record + shown);
    };
    const now = () => wanted ?? within(Math.floor((video.currentTime * num) / den + 1e-6));
    const seek = (frame) => {
      video.pause();
      wanted = within(frame);
      show(wanted);
      status.textContent = `${label(clip.record + wanted)}, source frame ${clip.source + wanted}`;
      if (video.readyState === 0) {
        video.preload = "auto";
        video.load();
      } else {
        video.currentTime = ((wanted + 0.5) * den) / num;
      }
    };
    video.addEventListener("loadedmetadata", () => {
      if (wanted !== null) video.currentTime = ((wanted + 0.5) * den) / num;
    });
    video.addEventListener("seeked", () => {
      if (wanted === null || video.currentTime === 0) return;
      show(wanted);
      wanted = null;
    });
    video.addEventListener("timeupdate", () => { if (!video.seeking) show(now()); });
    video.addEventListener("play", () => { wanted = null; play.textContent = "Pause"; status.textContent = ""; });
    video.addEventListener("pause", () => { play.textContent = "Play"; video.playbackRate = 1; });
    video.addEventListener("error", () => { status.textContent = "The picture cannot be played: is the package whole?"; });
    if (video.requestVideoFrameCallback) {
      const each = (_, { mediaTime }) => {
        if (wanted === null) show(Math.round((mediaTime * num) / den));
        group.dataset.media = mediaTime;
        video.requestVideoFrameCallback(each);
      };
      video.requestVideoFrameCallback(each);
    }
    const start = () => video.play().catch(() => { status.textContent = "The picture cannot be played: is the package whole?"; });
    const toggle = () => (video.paused ? start() : video.pause());
    const second = data.nominal;
    const keys = {
      " ": toggle, k: toggle,
      j: () => seek(now() - second),
      l: () => { if (video.paused) start(); else video.playbackRate = Math.min(video.playbackRate * 2, 4); },
      ArrowLeft: (event) => seek(now() - (event.shiftKey ? second : 1)),
      ArrowRight: (event) => seek(now() + (event.shiftKey ? second : 1)),
      Home: () => seek(0), End: () => seek(last),
      "?": () => $("#help").showModal(),
    };
    // Before the browser's own controls see the key.
    group.addEventListener("keydown", (event) => {
      const { target, key: name, ctrlKey, altKey, metaKey } = event;
      if (ctrlKey || altKey || metaKey || target.matches("input")) return;
      if (name === " " && target.matches("button")) return;
      const act = keys[name.length === 1 ? name.toLowerCase() : name];
      if (!act) return;
      event.preventDefault();
      event.stopPropagation();
      act(event);
    }, true);
    play.addEventListener("click", toggle);
    $("[data-do=back]", bar).addEventListener("click", () => seek(now() - 1));
    $("[data-do=on]", bar).addEventListener("click", () => seek(now() + 1));
    $("[data-do=go]", bar).addEventListener("submit", (event) => {
      event.preventDefault();
      const typed = field.value.trim();
      const record = frameOf(typed);
      const frame = /^\d{1,9}$/.test(typed) ? Number(typed) : record === null ? null : record - clip.record;
      if (frame === null || frame < 0 || frame > last) {
        field.setAttribute("aria-invalid", "true");
        status.textContent = `“${typed}” is not in this clip: ${label(clip.record)} to ${label(clip.record + last)}, or frame 0 to ${last}.`;
        return;
      }
      field.removeAttribute("aria-invalid");
      seek(frame);
    });
    show(0);
    return { now: () => clip.record + now(), go: (record) => seek(record - clip.record) };
  };

  const notes = (article, clip, one, place) => {
    article.append($("#notes").content.cloneNode(true));
    const section = $(".notes", article);
    const form = $("form", section);
    const rows = $("ol", section);
    const draw = () => {
      one.notes.sort((first, second) => first.frame - second.frame);
      rows.replaceChildren(...one.notes.map((note) => {
        const row = $("#note").content.cloneNode(true).firstElementChild;
        const [at, words, colour] = [$("[data-do=goto]", row), $("[data-is=text]", row), $("[data-is=colour]", row)];
        row.dataset.colour = note.colour;
        at.textContent = label(note.frame);
        words.value = note.text;
        colour.value = note.colour;
        at.addEventListener("click", () => place.go(note.frame));
        words.addEventListener("change", () => { note.text = words.value; keep(); });
        colour.addEventListener("change", () => { note.colour = row.dataset.colour = colour.value; keep(); });
        $("[data-do=delete]", row).addEventListener("click", () => {
          one.notes.splice(one.notes.indexOf(note), 1);
          draw();
          keep();
          $("input", form).focus();
        });
        return row;
      }));
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const [words, colour] = [$("input", form), $("select", form)];
      if (words.value.trim() === "") return;
      one.notes.push({ frame: place.now(), colour: colour.value, text: words.value.trim() });
      words.value = "";
      draw();
      keep();
    });
    draw();
    return (record) => { $("[data-is=record]", form).textContent = label(record); };
  };

  const check = (article, one) => {
    article.append($("#check").content.cloneNode(true));
    for (const box of all("[data-check]", article)) {
      box.checked = Boolean(one.checks[box.dataset.check]);
      box.addEventListener("change", () => { one.checks[box.dataset.check] = box.checked; keep(); });
    }
    for (const name of ["name", "date"]) {
      const field = $(`.sign [data-is=${name}]`, article);
      field.value = one[name];
      field.addEventListener("change", () => { one[name] = field.value; keep(); });
    }
  };

  recall();
  // Fields are made where somebody looks: browsers take long over the forms of five hundred clips.
  const build = (article) => {
    if (article.dataset.built) return;
    article.dataset.built = "yes";
    const clip = data.clips[article.dataset.clip];
    const one = state[article.dataset.clip];
    const place = { now: () => clip.record, go: () => {} };
    const group = $(".player", article);
    const under = document.createElement("div");
    $(".pair", article).after(under);
    const told = notes(under, clip, one, place);
    told(clip.record);
    if (group) Object.assign(place, player(group, clip, told));
    check(under, one);
  };
  const near = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      build(target);
    }
  }, { rootMargin: "1500px" });
  all(".clip").forEach((article) => near.observe(article));
  tally();
  $("#export-notes").addEventListener("click", exportNotes);
  $("#export-signoff").addEventListener("click", exportSignoff);
  $("#help-open").addEventListener("click", () => $("#help").showModal());
  for (const box of all(".filter input")) {
    box.addEventListener("change", () => {
      const shown = new Set(all(".filter input:checked").map((other) => other.value));
      all("#change-list tbody tr").forEach((row) => { row.hidden = !shown.has(row.dataset.what); });
    });
  }
  addEventListener("beforeprint", () => {
    all(".clip").forEach(build);
    all("details").forEach((one) => { one.open = true; });
  });
})();
