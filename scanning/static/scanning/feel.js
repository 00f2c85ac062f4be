/* What a packer hears and feels without looking. A browser makes no sound before the first key or tap.
   All of it is left out where a browser has none of it: a plain http address knows no wake lock. */

/* Waves, and notes as [from Hz, to Hz, after s, for s]. They differ in pitch, in number and in rhythm:
   one short high blip, two even beeps, two low buzzes, one slide down, a run up. The sixth is no verdict:
   a soft tick where a scan is safe on this device and its verdict takes its time. */
const TONES = {
  yes: { wave: "sine", notes: [[1320, 1320, 0, 0.09]], shakes: [40] },
  again: { wave: "triangle", notes: [[622, 622, 0, 0.11], [622, 622, 0.19, 0.11]], shakes: [70, 70, 70] },
  no: { wave: "square", notes: [[208, 208, 0, 0.2], [147, 147, 0.24, 0.42]], shakes: [350, 120, 350] },
  undo: { wave: "triangle", notes: [[988, 440, 0, 0.24]], shakes: [30, 60, 120] },
  done: { wave: "sine", notes: [[784, 784, 0, 0.1], [988, 988, 0.11, 0.1], [1175, 1175, 0.22, 0.1], [1568, 1568, 0.33, 0.32]],
    shakes: [50, 50, 50, 50, 50, 50, 250] },
  safe: { wave: "sine", notes: [[392, 392, 0, 0.05]], soft: 0.4 },
};
const LOUDNESS = { sine: 0.9, triangle: 1, square: 0.4 }; // so that all sound about as loud
const KEY = "tracetrack.feel."; // and the station's name: {volume, muted}
const VOLUME = 0.7;

/** `station` names the station whose volume holds now. */
export function createFeel({ station }) {
  const changed = new Set();
  let context = null;
  let playing = null;
  let lock = null;
  let begun = false;
  let forgotten = {}; // what could not be kept

  /* --- Volume --- */

  function settings() {
    try {
      return { volume: VOLUME, muted: false, ...JSON.parse(localStorage.getItem(KEY + station()) ?? "{}"), ...forgotten };
    } catch {
      return { volume: VOLUME, muted: false, ...forgotten };
    }
  }

  function set(news) {
    const all = { ...settings(), ...news };
    try {
      localStorage.setItem(KEY + station(), JSON.stringify(all));
      forgotten = {};
    } catch {
      forgotten = all; // for as long as the page is open
    }
    changed.forEach((then) => then());
  }

  /* --- Sound --- */

  async function unlock() {
    const Context = window.AudioContext ?? window.webkitAudioContext;
    try {
      context ??= Context ? new Context() : null;
      if (context && context.state !== "running") await context.resume();
    } catch { /* no sound on this device */ }
  }

  /** Several tones at once would be noise, so the newest cuts the one before. */
  function sound({ wave, notes, soft = 1 }, volume) {
    if (context?.state !== "running") return;
    playing?.disconnect();
    playing = context.createGain();
    playing.gain.value = LOUDNESS[wave] * soft * volume ** 2; // ears hear it as even steps
    playing.connect(context.destination);
    for (const note of notes) sing(wave, note, playing);
  }

  function sing(wave, [from, to, after, length], into) {
    const start = context.currentTime + after;
    const note = context.createOscillator();
    const shape = context.createGain();
    note.type = wave;
    note.frequency.setValueAtTime(from, start);
    if (to !== from) note.frequency.exponentialRampToValueAtTime(to, start + length);
    shape.gain.setValueAtTime(0, start); // without a slope it would click
    shape.gain.linearRampToValueAtTime(1, start + 0.008);
    shape.gain.setValueAtTime(1, start + length - 0.02);
    shape.gain.linearRampToValueAtTime(0, start + length);
    note.connect(shape).connect(into);
    note.start(start);
    note.stop(start + length);
  }

  function shake(pattern) {
    if (navigator.userActivation?.hasBeenActive === false) return; // the browser would only complain
    try {
      navigator.vibrate?.(pattern);
    } catch { /* then it does not shake */ }
  }

  function play(name) {
    const tone = TONES[name];
    if (!tone) return;
    if (tone.shakes) shake(tone.shakes);
    const { volume, muted } = settings();
    if (!muted && volume > 0) sound(tone, volume);
  }

  /* --- A shift --- */

  /** The screen stays on. The browser takes this back whenever the page is hidden. */
  async function stayAwake() {
    if (!begun || document.hidden || lock) return;
    try {
      lock = (await navigator.wakeLock?.request("screen")) ?? null;
      lock?.addEventListener("release", () => (lock = null));
    } catch { /* battery is low, or it is not allowed */ }
  }

  /** Inside a tap. Resolves to whether the browser promised to keep what this page stores. */
  async function start() {
    begun = true;
    unlock().then(() => play("safe")); // heard: there is sound; and it is no verdict
    stayAwake();
    changed.forEach((then) => then());
    try {
      return (await navigator.storage?.persist?.()) ?? false;
    } catch {
      return false;
    }
  }

  for (const kind of ["keydown", "pointerdown"]) document.addEventListener(kind, unlock, { capture: true, passive: true });
  document.addEventListener("visibilitychange", stayAwake);

  return {
    play,
    start,
    started: () => begun,
    muted: () => settings().muted,
    setMuted: (muted) => set({ muted: Boolean(muted) }),
    volume: () => settings().volume,
    setVolume: (volume) => set({ volume: Math.min(1, Math.max(0, Number(volume) || 0)) }),
    onChange: (then) => changed.add(then),
  };
}
