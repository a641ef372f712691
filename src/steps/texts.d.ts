/** Python files that are embedded as text: `import text from "./runner.py" with { type: "text" }`. */
declare module "*.py" {
  const text: string;
  export default text;
}
